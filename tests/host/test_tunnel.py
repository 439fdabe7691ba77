"""`make tunnel`: visitors of a tunnel server of our own reach the stack, as they would any site."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import pytest
import requests

from tests.site import Site
from tests.stacks import Stack, copy_of_repository, until

pytestmark = pytest.mark.xdist_group("host")

SERVER = "http://tunnel.test"
NAME = "mysite"  # one of the site's
SITE_FILE = "nginx/sites-available/app.conf"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start a stack that serves one name of the tunnel server, too, and that server in its network."""
    stack = Stack("nginx", copy_of_repository(tmp_path_factory.mktemp("tunnel")), mail=False)
    stack.compose_files.append("tests/tunnel-server/compose.yaml")
    file = stack.folder / SITE_FILE
    known = "    localhost 1;\n"
    text = file.read_text(encoding="utf-8")
    assert known in text
    file.write_text(text.replace(known, f"{known}    {NAME}.tunnel.test 1;\n"), encoding="utf-8")
    try:
        stack.up()
        stack.run("docker/images.sh", "tunnel")
        start_server(stack)
        yield stack
    finally:
        stack.remove()


def start_server(stack: Stack) -> None:
    stack.compose("--profile", "tunnel", "up", "--detach", "--no-deps", "tunnel-server")
    until(lambda: answers(server(stack)), "the tunnel server answers")


def server(stack: Stack) -> Site:
    """Return a visitor of the tunnel server itself."""
    (published,) = stack.container("tunnel-server").ports["80/tcp"] or []
    return Site(f"http://127.0.0.1:{published['HostPort']}/")


def answers(site: Site) -> bool:
    with suppress(requests.ConnectionError):
        return site.get("/api/status").ok
    return False


def refusal(stack: Stack, **variables: str) -> str:
    """Return the one sentence that `make tunnel` ends with."""
    said = stack.make("tunnel", check=False, **variables)
    assert said.returncode == 2
    (sentence,) = [line for line in said.stdout.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in said.stdout
    assert "    at " not in said.stdout  # nor node's
    assert "tunnel" not in services(stack)
    return sentence


def services(stack: Stack) -> set[str]:
    return {container.labels["com.docker.compose.service"] for container in stack.containers()}


@contextmanager
def tunnel(stack: Stack) -> Iterator[subprocess.Popen[str]]:
    """Have an open tunnel."""
    environ = {"STACK": stack.name, "COMPOSE_FILE": ":".join(stack.compose_files)}
    making = subprocess.Popen(
        ["make", "tunnel", f"TUNNEL_HOST={SERVER}", f"TUNNEL_NAME={NAME}"],
        cwd=stack.folder, env={**os.environ, **environ}, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert making.stdout
    try:
        opened = f"==> {SERVER.replace('tunnel.', f'{NAME}.tunnel.')} leads everybody to this stack"
        said = iter(making.stdout.readline, "")
        lines: list[str] = []
        while not lines or not lines[-1].startswith(opened):
            lines.append(next(said, ""))
            assert lines[-1], "".join(lines)
        yield making
    finally:
        if making.poll() is None:
            os.killpg(making.pid, signal.SIGKILL)
        making.communicate()


def visitor(stack: Stack) -> Site:
    """Return a visitor of the site at the tunnel server."""
    site = server(stack)
    site.headers.update({"Host": f"{NAME}.tunnel.test", "Referer": f"https://{NAME}.tunnel.test/"})
    return site


def test_visitors_reach_the_stack_until_it_is_interrupted(stack: Stack) -> None:
    with tunnel(stack) as making:
        site = visitor(stack)
        assert f"https://{NAME}.tunnel.test/urls/" in site.get("/urls/").text
        assert (
            site.get("/variables/python").headers["Location"]
            == f"https://{NAME}.tunnel.test/variables/python/"
        )
        body = os.urandom(300_000)
        seen = site.put("/test/echo", data=body).json()
        assert seen["body_sha256"] == sha256(body).hexdigest()
        assert (seen["scheme"], seen["host"]) == ("https", f"{NAME}.tunnel.test")
        # Who comes by the tunnel is not from this machine: V3.
        assert not seen["client"].startswith("127.")
        assert site.get("/metrics").status_code == 403
        # As a terminal does it, to every process.
        os.killpg(making.pid, signal.SIGINT)
        assert making.wait(60) != 0
    assert "tunnel" not in services(stack)
    assert stack.site.get("/").ok


def test_tunnel_whose_server_goes_away_says_so(stack: Stack) -> None:
    with tunnel(stack) as making:
        stack.container("tunnel-server").kill()
        try:
            said = making.communicate(timeout=60)[0]
        finally:
            start_server(stack)
    assert "error: the tunnel has ended (" in said
    assert "Open another: make tunnel" in said
    assert making.returncode == 2
    assert "tunnel" not in services(stack)


def test_name_that_the_site_file_does_not_have_is_told(stack: Stack) -> None:
    """Visitors would get 421."""
    assert refusal(stack, TUNNEL_HOST=SERVER, TUNNEL_NAME="other") == (
        "error: nginx does not serve the name other.tunnel.test (421)."
        " Add it to the marked block of its site file, 'make reload', and ask for the same name:"
        " make tunnel TUNNEL_NAME=other"
    )


def test_server_that_does_not_answer_is_named(stack: Stack) -> None:
    sentence = refusal(stack, TUNNEL_HOST="http://nobody.test")
    assert sentence.startswith("error: http://nobody.test gave no tunnel within 15 s.")


def test_without_a_stack_there_is_nothing_to_lead_to(tmp_path: Path) -> None:
    stack = Stack("nginx", copy_of_repository(tmp_path), mail=False)
    assert refusal(stack) == (f"error: no stack '{stack.name}' is running. Start one: make up PROFILE=nginx")


def test_debugger_is_led_to_by_nobody(tmp_path: Path) -> None:
    stack = Stack("dev", copy_of_repository(tmp_path), mail=False)
    try:
        stack.make("secrets")
        stack.run("docker/images.sh", "dev")
        stack.compose("up", "--detach", "--no-deps", "dev")
        assert refusal(stack, TUNNEL_HOST=SERVER) == (
            "error: dev runs the code of whoever reaches its debugger: nobody else may."
            " Start another profile: make up PROFILE=nginx"
        )
    finally:
        stack.remove()
