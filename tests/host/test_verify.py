"""make verify finds the gaps of servers as Debian ships them (in ours: tests/stack/test_verify.py)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

import docker
from tests.inside import run_inside
from tests.stacks import free_port, until
from tests.verify.command import run

pytestmark = pytest.mark.xdist_group("host")

COMMANDS = {
    "nginx": ["nginx", "-g", "daemon off;"],
    "apache2": ["apache2ctl", "-D", "FOREGROUND"],
    "lighttpd": ["lighttpd", "-D", "-f", "/etc/lighttpd/lighttpd.conf"],
}
# What none of them does before somebody configures it.
ALL_LACK = {
    "unknown_host", "request_id_made", "request_id_kept", "request_id_replaced", "cache_control",
    "slow_headers", "keep_alive", "security_headers", "error_pages",
}  # fmt: skip
GAPS = {
    # 101 headers pass, each byte of a body starts the time-out anew, 146 bytes are compressed.
    "nginx": ALL_LACK | {"types", "large_head", "slow_body", "small_answers"},
    # 1 GiB is taken, its version is in Server and on error pages, 403 tells which dotfiles and folders exist.
    "apache2": ALL_LACK | {"large_body", "page_compressed", "versions", "dotfiles", "listings"},
    # Bodies have no limit, two equal Hosts pass, TRACE is 501, its version is in Server.
    "lighttpd": ALL_LACK
    | {
        "large_body",
        "malformed_host",
        "trace",
        "types",
        "page_compressed",
        "files_compressed",
        "large_head",
        "versions",
    },
}
NOT_SEEN = {"tls_versions", "tls_suites", "http2", "hsts", "redirect_to_https", "forwarded", "cookies"}


@pytest.fixture(params=COMMANDS)
def plain(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Start a server as Debian ships it: nothing is configured. Returns its name and address."""
    name, client, port = str(request.param), docker.from_env(), free_port()
    install = f"apt-get update && apt-get install -y --no-install-recommends {name}"
    image, _ = client.images.build(
        fileobj=BytesIO(f"FROM debian:trixie-slim\nRUN {install}\n".encode()),
        tag=f"test-plain-{name}",
        rm=True,
    )
    server = client.containers.run(
        image, COMMANDS[name], detach=True, init=True, ports={"80/tcp": ("127.0.0.1", port)}
    )
    try:
        listening = ["sh", "-c", "grep -q :0050 /proc/net/tcp*"]
        until(lambda: run_inside(server, listening)[0] == 0, f"{name} listens")
        yield name, f"http://127.0.0.1:{port}/"
    finally:
        server.remove(force=True, v=True)


def test_gaps_of_untouched_servers_are_found(plain: tuple[str, str], tmp_path: Path) -> None:
    name, url = plain
    code, states = run(url, tmp_path)
    assert code == 1
    assert set(states["fails"]) == GAPS[name]
    assert set(states["not checked"]) >= NOT_SEEN
