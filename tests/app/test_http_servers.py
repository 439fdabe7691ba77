"""The application servers that speak HTTP under the supervisor: what no test of a stack can see."""

from __future__ import annotations

import json
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.profiles import PROFILES, ROOT
from tests.supervised import APPLICATION, Server, eventually
from tests.wire import Answer, Wire, request

MODULES = [
    f"{profile.app_service}_server"
    for profile in PROFILES.values()
    if profile.transport == "HTTP over a Unix socket"
    and (ROOT / f"servers/{profile.app_service}_server.py").exists()
]
# What the application's own log is made by.
JSON_LOG = """
import logging
from pythonjsonlogger.json import JsonFormatter
handler = logging.StreamHandler()
handler.setFormatter(JsonFormatter())
logging.basicConfig(level=logging.INFO, handlers=[handler])
"""


def ask(
    path: Path,
    uri: str = "/",
    *lines: str,
    method: str = "GET",
    host: str = "localhost:81",
    body: bytes = b"",
) -> Wire:
    """Send a request as nginx does."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(path))
    wire = Wire(connection)
    length = [f"Content-Length: {len(body)}"] if body else []
    wire.send(request(f"{method} {uri} HTTP/1.0", f"Host: {host}", *length, *lines, body=body))
    return wire


def fetch(path: Path, uri: str = "/", *lines: str, **options: Any) -> Answer:
    with ask(path, uri, *lines, **options) as wire:
        answer = wire.answer(options.get("method", "GET"), seconds=20)
        assert answer
        assert wire.closes(20)
        return answer


@pytest.fixture(params=MODULES)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, request.param, fetch)
    yield server
    server.end()


def held(server: Server) -> int:
    return len(list(server.folder.glob("held-*")))


def test_the_application_knows_what_was_sent_and_how_it_is_run(server: Server) -> None:
    server.start()
    body, kind = b"no parts" * 11 * 2**17, "multipart/form-data; boundary=x"
    uri = "/environ/a%2F..//%C3%A4?x=%00"
    answer = fetch(server.socket, uri, f"Content-Type: {kind}", method="POST", body=body)
    sent = json.loads(answer.body)
    assert sent["body"] == len(body)
    known = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/environ/a/..//\u00c3\u00a4",
        "QUERY_STRING": "x=%00",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "81",
        "HTTP_HOST": "localhost:81",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": kind,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.url_scheme": "http",
    }
    if server.module != "granian_server":  # it tells the path alone, with its escapes undone
        known["REQUEST_URI"] = uri
    assert sent == {**sent, **known}
    assert "PATH" not in sent  # as every variable of the process
    sent = json.loads(fetch(server.socket, "/environ", host="[::1]:82").body)
    assert (sent["SERVER_NAME"], sent["SERVER_PORT"]) == ("::1", "82")


def test_headers_arrive_as_many_and_as_long_as_the_front_end_lets_them(server: Server) -> None:
    """nginx takes 100 of a client's, 32 KiB in all, and adds its own."""
    server.start()
    number = 99 if server.module == "granian_server" else 103  # tests/differences.csv, L2
    names = [f"X-Field-{number}" for number in range(number)]
    sent = json.loads(fetch(server.socket, "/environ", *(f"{name}: {'v' * 300}" for name in names)).body)
    assert {sent["HTTP_" + name.upper().replace("-", "_")] for name in names} == {"v" * 300}


def test_every_thread_may_wait(server: Server) -> None:
    server.start("--processes", "1", "--threads", "50")
    calls = [ask(server.socket, f"/held?{number}") for number in range(50)]
    eventually(lambda: held(server) == 50, "all at work")
    server.touch("release")
    for wire in calls:
        with wire:
            answer = wire.answer(seconds=20)
            assert answer
            assert answer.body == b"first"


def test_a_thread_is_taken_until_its_work_ends_whether_or_not_its_client_stays(server: Server) -> None:
    """Two processes with two threads: the last one that is free answers, and nobody waits for another."""
    server.start()
    server.workers()
    for number in range(3):
        with ask(server.socket, f"/held?{number}"):
            server.appears(f"held-{number}")
    for _ in range(20):
        assert fetch(server.socket).body == b"first"


def test_a_slow_client_holds_nobody_up_and_has_the_whole_answer_though_the_server_stops(
    server: Server,
) -> None:
    server.start("--processes", "1")
    with ask(server.socket, "/large") as wire:
        assert wire.socket.recv(1)
        assert fetch(server.socket).body == b"first"
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: not server.socket.exists(), "the socket's removal")
        received = b"".join(iter(lambda: wire.socket.recv(65_536), b""))
    assert len(received.partition(b"\r\n\r\n")[2]) == 5_000_000
    assert server.process.wait(timeout=20) == 0


def test_head_is_answered_though_the_application_sends_a_body(server: Server) -> None:
    """Whether it is passed on does not matter: a front end passes over it."""
    server.start()
    assert fetch(server.socket, "/large", method="HEAD").status == 200
    assert "Traceback" not in server.log()


def test_what_goes_wrong_is_in_the_log_in_the_applications_form(server: Server) -> None:
    server.install(APPLICATION + JSON_LOG)
    server.start()
    assert fetch(server.socket, "/fail").status == 500
    with ask(server.socket, "/broken") as wire:
        assert wire.closes(20)
    server.appears("closed")
    eventually(lambda: "a view" in server.log() and "ZeroDivisionError" in server.log(), "both in the log")
    assert all(json.loads(line) for line in server.log().splitlines())


def test_body_is_read_where_no_file_can_be_written(server: Server) -> None:
    """Whether the disk is full is the application's to say: it knows what it would store."""
    server.start()
    for worker in server.workers():
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (4096, 4096))
    body = bytes(2 * 1024**2)
    answer = fetch(server.socket, "/environ", "Content-Type: text/plain", method="POST", body=body)
    assert json.loads(answer.body)["body"] == len(body)


def test_client_that_leaves_in_its_body_is_no_fault(server: Server) -> None:
    server.start()
    with ask(server.socket, "/", "Content-Length: 10", method="POST") as wire:
        wire.send(b"xx")
    server.workers()
    assert "Traceback" not in server.log()
