"""`make reload` takes what was edited into service, and refuses what is broken."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import requests

from tests.clients import client, offers_http_3
from tests.faults import Load, visitors
from tests.stacks import DEADLINE, Stack, copy_of_repository, until
from tests.wire import Answer, Place, request

pytestmark = pytest.mark.xdist_group("faults")

Note = Callable[[str, Load], None]
# How the servers write the limit of 10 MiB.
LIMITS = {"10m": "1m", "10485760": "1048576", "10240": "1024"}
UPLOAD_SECONDS = 12
"""How long an upload goes on after a reload; it begins before, however long that takes."""
UPLOAD_BYTES = 512 * 1024
# How each site file says that it has no name but localhost, and that it has two: nginx, lighttpd, Apache.
NAMES = {
    "    localhost 1;\n": "    my.example 1;\n    your.example 1;\n",
    'var.names = "localhost"\n': 'var.names = "my\\.example|your\\.example"\n',
    "Define APP_NAME    localhost\n": "Define APP_NAME    my.example\n",
    "Define APP_ALIASES localhost\n": 'Define APP_ALIASES "your.example their.example"\n',
}


@pytest.fixture
def stack(editable: Stack) -> Stack:
    return editable


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new), encoding="utf-8")


@contextmanager
def slow_upload(stack: Stack, told: Event) -> Iterator[Future[tuple[Answer, float]]]:
    """Have an upload under way until some seconds after a reload was told; its answer, and when it came."""
    begun: Future[None] = Future()

    def upload() -> tuple[Answer, float]:
        head = request("POST /test/echo HTTP/1.1", "Host: localhost", f"Content-Length: {UPLOAD_BYTES}")
        with Place(stack.tls_url, stack.authority).connect() as wire:
            wire.send(head)
            left, end = UPLOAD_BYTES, float("inf")
            while time.monotonic() < end:
                assert wire.send(b"x" * 100), "closed before the body was complete"
                left -= 100
                if not begun.done():
                    begun.set_result(None)
                if told.is_set():
                    end = min(end, time.monotonic() + UPLOAD_SECONDS)
                time.sleep(0.1)
            wire.send(b"x" * left)
            answer = wire.answer("POST")
            assert answer, "closed without an answer"
            return answer, time.monotonic()

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(upload)
        try:
            begun.result(10)
            yield answer
        finally:
            told.set()


def processes(stack: Stack) -> int:
    """Count the processes of front end and application, but for health checks."""
    lists = [container.top()["Processes"] for container in {stack.front, stack.app}]
    return sum("curl" not in process[-1] for processes in lists for process in processes)


@contextmanager
def reload_that_fails_nobody(stack: Stack, note: Note, title: str) -> Iterator[Callable[[], None]]:
    """Have visitors, and an upload that began before, until the old processes have left; gives the reload."""
    stack.settle()
    before = processes(stack)
    told = Event()
    reloaded = []

    def reload() -> None:
        stack.make("reload")
        reloaded.append(time.monotonic())
        told.set()

    with visitors(stack) as load, slow_upload(stack, told) as upload:
        until(lambda: len(load.visits) > 25, "the load is there")
        yield reload
        answer, answered = upload.result()
        until(lambda: processes(stack) <= before, "the old processes have left", 90)
    note(title, load)
    meanwhile = [visit for visit in load.visits if reloaded[0] < visit.begun and visit.ended < answered]
    assert meanwhile, "all waited for the slowest"
    assert load.failures == []
    assert answer.status == 200
    assert answer.json()["body_length"] == UPLOAD_BYTES


def hello(stack: Stack) -> set[str]:
    """Return what the view that is edited says, whichever process answers."""
    return {stack.site.get("/application/hello").text for _ in range(20)}


@pytest.mark.production
@pytest.mark.server
def test_F3_reload_takes_new_code_into_service_and_fails_nobody(stack: Stack, note: Note) -> None:
    view = stack.folder / "app/guide/application.py"
    old = next(iter(hello(stack)))
    with reload_that_fails_nobody(stack, note, "F3 reload: new code, 2 in a row") as reload:
        for number in range(2):
            new = f"Hello Reload {number}"
            edit(view, f'"{old}"', f'"{new}"')
            reload()
            old = new
        until(lambda: hello(stack) == {new}, "all workers run the new code", 60)


@pytest.mark.production
@pytest.mark.shared
def test_F3_reload_takes_new_configuration_and_a_new_certificate_into_service_and_fails_nobody(
    stack: Stack, note: Note
) -> None:
    """One after the other: a renewed certificate comes without a change of the configuration."""

    def upload() -> int:
        line = "POST /test/echo HTTP/1.1"
        asked = request(line, "Host: localhost", f"Content-Length: {2 * 1024 * 1024}", "Expect: 100-continue")
        with Place(stack.base_url).connect() as wire:
            wire.send(asked)
            answer = wire.answer("POST", seconds=DEADLINE)  # a process that has just begun still loads
            assert answer
            return answer.status

    def certificate() -> bytes | None:
        with Place(stack.tls_url, stack.authority).connect() as wire:
            return wire.socket.getpeercert(binary_form=True)  # type: ignore[attr-defined,no-any-return]

    assert upload() == 100
    sound = {}
    for file in (stack.folder / stack.profile.front).rglob("*.conf"):
        text = file.read_text(encoding="utf-8")
        new = re.sub(rf"\b({'|'.join(LIMITS)})\b", lambda found: LIMITS[found[1]], text)
        if new != text:
            sound[file] = text
            file.write_text(new, encoding="utf-8")
    assert len(sound) == 1
    old = certificate()
    with reload_that_fails_nobody(stack, note, "F3 reload: new configuration, new certificate") as reload:
        reload()
        until(lambda: {upload() for _ in range(20)} == {413}, "the smaller limit holds")
        assert certificate() == old
        (stack.folder / "certs/site/fullchain.pem").unlink()
        stack.run("docker/certs.sh")
        reload()
        until(lambda: old not in {certificate() for _ in range(20)}, "the new certificate is served", 60)
    for file, text in sound.items():
        file.write_text(text, encoding="utf-8")
    stack.make("reload")
    until(lambda: {upload() for _ in range(20)} == {100}, "the limit is what it was")


@pytest.mark.production
@pytest.mark.shared
def test_F3_reload_keeps_nobody_waiting_by_http_3(stack: Stack) -> None:
    """While the old processes end what they have begun, new connections go to the new ones."""
    if not offers_http_3(stack):
        return  # nobody can be
    told = Event()
    with client(stack, "exec python3 /http_3.py 127.0.0.1 /application/hello 8") as asking:
        until(lambda: asking.logs(stderr=False), "the first is answered")
        with slow_upload(stack, told) as upload:
            stack.make("reload")
            told.set()
            upload.result()
        asking.stop(timeout=60)
        visits = [json.loads(line) for line in asking.logs(stderr=False).splitlines()]
        assert asking.wait()["StatusCode"] == 0, asking.logs(stdout=False).decode()
    assert {visit["status"] for visit in visits} == {200}
    assert max(visit["ended"] - visit["begun"] for visit in visits) < 1


@pytest.mark.production
@pytest.mark.shared
def test_R4_names_in_the_marked_block_are_the_sites(stack: Stack) -> None:
    """Who copies the file writes the site's own names where `localhost` stands: those, and no pattern."""

    def sent_to(name: str = "my.example") -> str:
        answer = Place(stack.base_url).ask(request("GET /urls/ HTTP/1.1", f"Host: {name}"))
        return answer["location"] if answer.status == 308 else str(answer.status)

    assert sent_to() == "421"
    (file,) = (stack.folder / stack.profile.front).rglob("*app.conf")
    sound = file.read_text(encoding="utf-8")
    block, end, rest = sound.partition("# ==== End of the block")
    for old, new in NAMES.items():
        block = block.replace(old, new)
    try:
        file.write_text(block + end + rest, encoding="utf-8")
        stack.make("reload")
        until(lambda: {sent_to() for _ in range(20)} == {"https://my.example/urls/"}, "the name is known")
        assert sent_to("your.example") == "https://your.example/urls/"
        assert sent_to("YOUR.example:80").lower() == "https://your.example/urls/"
        for other in ("myxexample", "my.example.org", "example", "my", "|", "their.example your.example"):
            assert sent_to(other) in {"400", "421"}, other
        for name, statuses in (("your.example", {200, 308}), ("yourxexample", {400, 421})):
            target = request(f"GET http://{name}/urls/ HTTP/1.1", f"Host: {name}")
            assert Place(stack.base_url).ask(target).status in statuses
    finally:
        file.write_text(sound, encoding="utf-8")
        stack.make("reload")
    until(lambda: {sent_to() for _ in range(20)} == {"421"}, "the name is unknown again")


def shown(stack: Stack, path: str) -> str:
    """Return a page; nothing while the development server's reloader starts anew, amid an answer too."""
    try:
        return stack.site.get(path).text
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        return ""


def test_development_server_shows_a_change_without_any_command(tmp_path: Path) -> None:
    stack = Stack("dev", copy_of_repository(tmp_path), mail=False)
    try:
        stack.up()
        edit(stack.folder / "app/guide/application.py", '"Hello World"', '"Hello Change"')
        until(lambda: shown(stack, "/application/hello") == "Hello Change", "the view is new")
        edit(stack.folder / "app/templates/index.html", "<h1>", "<h1>Changed ")
        until(lambda: "<h1>Changed " in shown(stack, "/"), "the template is new")
        assert "by itself" in stack.make("reload").stdout
    finally:
        stack.remove()


# Last: the file that is put back is newer than what lighttpd-spawn's lighttpd has read.
@pytest.mark.production
@pytest.mark.server
@pytest.mark.parametrize("broken", ["code", "configuration"])
def test_F3_reload_refuses_what_is_broken_and_goes_on_serving(stack: Stack, broken: str) -> None:
    file = (
        stack.folder / "app/guide/variables.py"
        if broken == "code"
        else next((stack.folder / stack.profile.front).rglob("*app*.conf"))
    )
    sound = file.read_text(encoding="utf-8")
    stack.settle()  # a process that still starts would load what is broken
    until(lambda: len(stack.workers()) == 2, "both processes answer")
    before = stack.clock()
    try:
        file.write_text(f"{sound}\n}}}} this is no {broken} {{{{\n", encoding="utf-8")
        refused = stack.make("reload", check=False)
        assert refused.returncode != 0
        assert "Nothing was changed; what ran goes on." in refused.stdout
        assert max(stack.workers().values()) < before, "no new process serves"
    finally:
        file.write_text(sound, encoding="utf-8")
