"""`make reload` takes what was edited into service, and refuses what is broken."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.stacks import Stack, copy_of_repository, until

# How the servers write the limit of 10 MiB.
LIMITS = {"10m": "1m", "10485760": "1048576", "10240": "1024"}


@pytest.fixture(scope="session")
def editable(profile: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack started from a checkout that the test may edit."""
    stack = Stack(profile, copy_of_repository(tmp_path_factory.mktemp(profile)))
    try:
        stack.up()
        yield stack
    finally:
        stack.remove()


@pytest.fixture
def stack(editable: Stack) -> Stack:
    return editable


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new), encoding="utf-8")


@contextmanager
def visitors(stack: Stack, number: int = 4) -> Iterator[list[str]]:
    """Keep asking for a page; yields the list of what failed.

    Each request opens a connection: a server may close one that idles at any time (RFC 9112, 9.3), and a
    request that was just sent on it is lost without anybody's fault.
    """
    failures: list[str] = []
    answered = 0
    stop = threading.Event()

    def visit() -> None:
        nonlocal answered
        with stack.site as site:
            while not stop.is_set():
                try:
                    status = site.get("/templates/hello/60", headers={"Connection": "close"}).status_code
                    answered += 1
                    if status != 200:
                        failures.append(f"status {status}")
                except requests.RequestException as error:
                    failures.append(repr(error))

    threads = [threading.Thread(target=visit) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        assert answered > number, "the visitors asked nothing"


@pytest.mark.production
@pytest.mark.parametrize("broken", ["code", "configuration"])
def test_reload_refuses_what_is_broken_and_goes_on_serving(stack: Stack, broken: str) -> None:
    file = (
        stack.folder / "app/guide/variables.py"
        if broken == "code"
        else next((stack.folder / stack.profile.name).rglob("*app*.conf"))
    )
    sound = file.read_text(encoding="utf-8")
    stack.settle()  # a process that still starts would load what is broken
    before = stack.clock()
    try:
        file.write_text(f"{sound}\n}}}} this is no {broken} {{{{\n", encoding="utf-8")
        refused = stack.make("reload", check=False)
        assert refused.returncode != 0
        assert "Nothing was changed; what ran goes on." in refused.stdout
        assert max(stack.workers().values()) < before, "no new process serves"
    finally:
        file.write_text(sound, encoding="utf-8")


@pytest.mark.production
def test_reload_takes_new_code_into_service_and_fails_nobody(stack: Stack) -> None:
    view = stack.folder / "app/guide/application.py"
    with visitors(stack) as failures:
        edit(view, '"Hello World"', '"Hello Reload"')
        stack.make("reload")
        until(
            lambda: {stack.site.get("/application/hello").text for _ in range(20)} == {"Hello Reload"},
            "all workers run the new code",
        )
    assert failures == []


@pytest.mark.production
def test_reload_takes_new_configuration_into_service(stack: Stack) -> None:
    site = stack.site
    token = site.token("/uploads/upload")

    def upload() -> int:
        try:
            two_mib = {"file": ("two.bin", b"\0" * (2 * 1024 * 1024))}
            return site.post("/uploads/uploader", data={"csrf_token": token}, files=two_mib).status_code
        except requests.ConnectionError:  # refused while still sending
            return 413

    assert upload() == 200
    changed = 0
    for file in (stack.folder / stack.profile.name).rglob("*.conf"):
        text = file.read_text(encoding="utf-8")
        new = re.sub(rf"\b({'|'.join(LIMITS)})\b", lambda found: LIMITS[found[1]], text)
        changed += new != text
        file.write_text(new, encoding="utf-8")
    assert changed == 1
    stack.make("reload")
    until(lambda: upload() == 413, "the smaller limit holds")


def test_development_server_shows_a_change_without_any_command(tmp_path: Path) -> None:
    stack = Stack("dev", copy_of_repository(tmp_path))
    try:
        stack.up()
        edit(stack.folder / "app/guide/application.py", '"Hello World"', '"Hello Change"')
        until(lambda: stack.site.get("/application/hello").text == "Hello Change", "the view is new")
        edit(stack.folder / "app/templates/index.html", "<h1>", "<h1>Changed ")
        until(lambda: "<h1>Changed " in stack.site.get("/").text, "the template is new")
    finally:
        stack.remove()
