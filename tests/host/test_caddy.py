"""docs/caddy.md: what of the contract Debian's Caddy does not keep, told all that it understands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import docker
from tests.profiles import ROOT
from tests.stacks import Stack, copy_of_repository, until
from tests.verify.command import run
from tests.wire import Place, request

pytestmark = pytest.mark.xdist_group("others")

FETCH = """
cd /tmp
apt-get -q update
apt-get -q download caddy
dpkg-deb --fsys-tarfile caddy_*.deb | tar -x -C /fetched ./usr/bin/caddy
"""


@pytest.fixture(scope="module")
def caddy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start the profile nginx with Debian's Caddy in nginx's place."""
    folder = tmp_path_factory.mktemp("caddy")
    fetched = {str(folder): {"bind": "/fetched", "mode": "rw"}}
    docker.from_env().containers.run("debian:trixie-slim", ["sh", "-ec", FETCH], volumes=fetched, remove=True)
    stack = Stack("nginx", copy_of_repository(folder / "stack"), mail=False)
    service = {
        "command": ["caddy", "run", "--adapter", "caddyfile", "--config", "/srv/Caddyfile"],
        "environment": {"XDG_CONFIG_HOME": "/tmp", "XDG_DATA_HOME": "/tmp"},
        "volumes": [
            f"{folder}/usr/bin/caddy:/usr/local/bin/caddy:ro,z",
            f"{ROOT}/tests/host/Caddyfile:/srv/Caddyfile:ro,z",
        ],
    }
    (stack.folder / "caddy.json").write_text(json.dumps({"services": {"nginx": service}}), encoding="utf-8")
    stack.compose_files.append("caddy.json")
    try:
        stack.up()
        yield stack
    finally:
        stack.remove()


def test_debians_caddy_is_the_one_that_was_judged(caddy: Stack) -> None:
    assert caddy.execute(caddy.front, "caddy", "version").split()[0].startswith("2.6.2")


def test_gaps_that_its_configuration_cannot_close(caddy: Stack, tmp_path: Path) -> None:
    code, states = run(caddy.tls_url, tmp_path, "--ca", str(caddy.authority))
    assert code == 1
    # Rows T5, T8, S3, L2, L3 (two) and H1.
    assert set(states["fails"]) == {
        "strange_paths", "smuggling", "page_compressed", "large_head", "halted_body", "slow_body",
        "security_headers",
    }  # fmt: skip
    assert states["not checked"] == ["redirect_to_https"]


def test_V1_its_log_has_a_form_of_its_own(caddy: Stack) -> None:
    # It has no line for a Host with a port.
    assert (
        Place(caddy.base_url).ask(request("GET /static/site.css HTTP/1.1", "Host: localhost")).status == 200
    )

    def entries() -> list[dict[str, object]]:
        lines = caddy.front.logs(tail=50).splitlines()
        return [json.loads(line) for line in lines if b'"uri":"/static/site.css"' in line]

    until(entries, "the request is in the access log")
    entry = entries()[-1]
    assert {"request", "status", "duration", "size"} <= entry.keys()
    assert not {"path", "request_id", "duration_s"} & entry.keys()
