"""The supervisor, with flup: reload, replacement and stop, with real processes and a small application."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from servers.flup_server import compress_for_lighttpd
from tests.fastcgi import Call, fetch
from tests.supervised import APPLICATION, Server, eventually, gone

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, "flup_server", fetch)
    yield server
    server.end()


def generations(server: Server) -> list[int]:
    """Return the processes that have loaded the application and fork the workers."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [process for process in map(int, children.split()) if not gone(process)]


def test_reload_under_load_brings_new_code_and_drops_nothing(server: Server) -> None:
    server.start()
    answers: list[bytes] = []
    finished = False

    def visit() -> None:
        while not finished:
            response = fetch(server.socket)
            assert response.status == 200
            answers.append(response.body)

    def only(version: bytes) -> None:
        eventually(lambda: set(answers[-50:]) == {version}, f"all answers are {version!r}")

    with ThreadPoolExecutor(8) as pool:
        visitors = [pool.submit(visit) for _ in range(8)]
        try:
            only(b"first")
            for version in ("second", "third"):
                server.write(version=version)
                server.process.send_signal(signal.SIGHUP)
                only(version.encode())
        finally:
            finished = True
    for visitor in visitors:
        visitor.result()
    assert set(answers) == {b"first", b"second", b"third"}


def test_a_request_that_runs_outlasts_a_reload(server: Server) -> None:
    server.start()
    with Call(server.socket, "/held?a") as call:
        server.appears("held-a")
        server.write(version="second")
        server.process.send_signal(signal.SIGHUP)
        server.answers("second")
        server.touch("release")
        assert call.response().body == b"first"


def test_old_code_serves_until_the_new_has_loaded(server: Server) -> None:
    server.start()
    server.workers()
    server.install(APPLICATION.replace("VERSION", "second") + "\n(here / 'one').touch(); until('release')\n")
    server.process.send_signal(signal.SIGHUP)
    server.appears("one")
    assert {fetch(server.socket).body for _ in range(20)} == {b"first"}
    server.touch("release")
    server.answers("second")


def test_second_reload_takes_the_place_of_one_that_still_loads(server: Server) -> None:
    server.start()
    server.install(APPLICATION.replace("VERSION", "second") + "\n(here / 'one').touch(); until('release')\n")
    server.process.send_signal(signal.SIGHUP)
    server.appears("one")
    server.write(version="third")
    server.process.send_signal(signal.SIGHUP)
    server.answers("third")
    server.touch("release")
    eventually(lambda: len(generations(server)) == 1, "the end of the others")
    assert {fetch(server.socket).body for _ in range(20)} == {b"third"}


def test_application_is_loaded_once_for_all_workers(server: Server) -> None:
    count = "\nwith (here / 'loads').open('a') as loads: loads.write('+')\n"
    server.install(APPLICATION + count)
    server.start("--processes", "3")
    server.workers()
    assert (server.folder / "loads").read_text() == "+"
    os.kill(min(server.workers()), signal.SIGKILL)
    eventually(lambda: "replacing it" in server.log(), "the worker's end")
    server.workers()
    assert (server.folder / "loads").read_text() == "+"
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: (server.folder / "loads").read_text() == "++", "another load")


def test_environment_says_how_many_workers_there_are(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    server.start()
    server.says("3 workers with 2 threads")
    assert len(server.workers(3)) == 3


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_number_of_workers_that_is_none_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", number)
    assert server.popen().wait(timeout=20) == 2
    assert f"argument --processes: invalid at_least_1 value: '{number}'" in server.log()


def test_new_code_that_does_not_load_leaves_the_old_in_service(server: Server) -> None:
    server.start()
    server.workers()
    server.install("def")
    server.process.send_signal(signal.SIGHUP)
    server.says("the new code does not load; the old goes on")
    assert "SyntaxError" in server.log()
    assert fetch(server.socket).body == b"first"
    server.write(version="second")
    server.process.send_signal(signal.SIGHUP)
    server.answers("second")


def test_a_killed_worker_is_replaced(server: Server) -> None:
    server.start()
    before = server.workers()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: gone(victim), "the worker's end")
    after = server.workers()
    assert len(after) == 2
    assert len(after - before) == 1


def test_replacement_has_the_code_that_serves_whatever_was_edited(server: Server) -> None:
    server.start()
    victim = min(server.workers())
    server.install("import nothing_of_this_name")
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: gone(victim), "the worker's end")
    assert len(server.workers() - {victim}) == 2
    assert {fetch(server.socket).body for _ in range(20)} == {b"first"}


def test_workers_whose_parent_is_killed_end_and_what_does_not_load_is_tried_again(server: Server) -> None:
    server.start()
    before = server.workers()
    server.install("import nothing_of_this_name")
    (generation,) = generations(server)
    os.kill(generation, signal.SIGKILL)
    eventually(lambda: all(map(gone, before)), "the workers' end")
    eventually(lambda: server.log().count("nothing_of_this_name") >= 4, "repeated attempts")
    server.write(version="second")
    server.answers("second")
    assert not server.workers() & before


def test_worker_that_ends_at_once_is_replaced_no_more_than_once_a_second(server: Server) -> None:
    (server.folder / "ends.py").write_text(
        "import sys\nfrom servers import supervisor\n"
        "if __name__ == '__main__': sys.exit(supervisor.main(lambda *_: None, 'ends'))\n"
    )
    server.command = ("-m", "ends")
    begun = time.monotonic()
    server.start()
    eventually(lambda: server.log().count("replacing it") >= 6, "three times both workers")
    assert time.monotonic() - begun > 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_finishes_the_requests_that_run(server: Server, number: signal.Signals) -> None:
    server.start()
    with Call(server.socket, "/held?a") as call:
        server.appears("held-a")
        server.process.send_signal(number)
        eventually(lambda: not server.socket.exists(), "the socket's removal")
        assert server.process.poll() is None
        server.touch("release")
        assert call.response().status == 200
    assert server.process.wait(timeout=20) == 0


def test_a_request_that_never_ends_is_cut_off_after_the_grace(server: Server) -> None:
    server.command = (
        "-c",
        "from servers import flup_server, supervisor; supervisor.GRACE_SECONDS = 0.2;"
        "raise SystemExit(supervisor.main(flup_server.serve, 'servers.flup_server'))",
    )
    server.start()
    with Call(server.socket, "/held?a"):
        server.appears("held-a")
        server.process.terminate()
        assert server.process.wait(timeout=20) == 0


def test_workers_end_at_once_when_the_supervisor_is_killed(server: Server) -> None:
    """Whoever starts another needs the socket; lighttpd waits for the requests, too."""
    server.start()
    workers = server.workers()
    with Call(server.socket, "/held?a"):
        server.appears("held-a")
        server.process.kill()
        eventually(lambda: all(map(gone, workers)), "the workers' end")


@pytest.mark.parametrize("by", ["lighttpd", "systemd"])
def test_socket_that_was_opened_by_others_is_served_and_left_to_them(server: Server, by: str) -> None:
    """As standard input by lighttpd, as another file descriptor by systemd."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(server.socket))
        listener.listen()
        number = listener.fileno()
        if by == "lighttpd":
            server.process = server.popen("--stdin", stdin=number)
        else:
            server.process = server.popen("--fd", str(number), pass_fds=[number])
    assert len(server.workers()) == 2
    server.write(version="second")
    server.process.send_signal(signal.SIGHUP)
    server.answers("second")
    server.process.terminate()
    assert server.process.wait(timeout=20) == 0
    assert server.socket.exists()


def test_systemd_is_told_once_the_application_serves(server: Server, systemd: socket.socket) -> None:
    """Type=notify: not while it loads, and not again at a reload."""
    server.install(APPLICATION + "\n(here / 'one').touch(); until('release')\n")
    server.start()
    server.appears("one")
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(64)
    server.touch("release")
    systemd.settimeout(10)
    assert systemd.recv(64) == b"READY=1"
    server.write(version="second")
    server.process.send_signal(signal.SIGHUP)
    server.answers("second")
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(64)


@pytest.mark.parametrize(("options", "number"), [(["--stdin"], 0), (["--fd", "3"], 3)])
def test_file_descriptor_that_is_no_socket_is_refused(
    server: Server, options: list[str], number: int
) -> None:
    process = server.popen(*options, stdin=subprocess.DEVNULL)
    assert process.wait(timeout=20) == 1
    assert server.log() == (
        f"error: file descriptor {number} is no socket; have systemd or the front end start this, "
        "or use --socket.\n"
    )


def test_requests_beyond_the_threads_wait_for_their_turn(server: Server) -> None:
    server.start()
    server.workers()
    calls = [Call(server.socket, f"/held?{number}") for number in range(12)]
    eventually(lambda: len(list(server.folder.glob("held-*"))) == 4, "all threads at work")
    server.touch("release")
    for call in calls:
        with call:
            assert call.response().status == 200


def test_a_socket_left_behind_is_replaced(server: Server) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(server.socket))
    server.start()
    eventually(lambda: "serve" in server.log(), "service")
    assert fetch(server.socket).status == 200


def test_the_socket_is_for_user_and_group_alone(server: Server) -> None:
    server.start()
    assert stat.filemode(server.socket.stat().st_mode) == "srw-rw----"


def test_signal_to_stop_is_heard_from_the_moment_it_is_handled(server: Server) -> None:
    """And that moment is before the socket is there: a server that is seen can be stopped."""
    told_at_once = f"""
import os, pathlib, runpy, signal
install = signal.signal

def installed(number, handler):
    install(number, handler)
    if number == signal.SIGTERM:
        assert not pathlib.Path({str(server.socket)!r}).exists()
        os.kill(os.getpid(), signal.SIGTERM)

signal.signal = installed
runpy.run_module("servers.flup_server", run_name="__main__")
"""
    server.command = ("-c", told_at_once)
    server.process = server.popen()
    assert server.process.wait(timeout=20) == 0
    assert not server.socket.exists()


def test_a_socket_in_use_is_left_to_its_owner(server: Server) -> None:
    server.start()
    server.workers()
    expected = (
        f"error: another process serves {server.socket}; stop it, or name another socket with --socket.\n"
    )
    assert server.refusal() == expected
    assert fetch(server.socket).status == 200


def test_a_file_in_place_of_the_socket_is_not_removed(server: Server) -> None:
    server.socket.write_text("precious")
    reason = f"{server.socket} cannot be made (Address already in use)"
    assert server.refusal() == f"error: {reason}; name another socket with --socket.\n"
    assert server.socket.read_text() == "precious"


def test_an_application_that_refuses_to_start_speaks_for_itself(server: Server) -> None:
    server.install("import sys; sys.exit('error: a setting is wrong.')")
    assert server.refusal() == "error: a setting is wrong.\n"
    assert not server.socket.exists()


def test_check_loads_the_application_and_serves_nothing(server: Server) -> None:
    assert server.popen("--check").wait(timeout=20) == 0
    server.install("import nothing_of_this_name")
    assert server.popen("--check").wait(timeout=20) == 1
    assert "nothing_of_this_name" in server.log()
    assert not server.socket.exists()


@pytest.mark.parametrize(
    ("uri", "script_name", "path_info"),
    [
        ("/environ/a%2F..//%C3%A4%0A?x=%00", "", "/environ/a/..//Ã¤\n"),
        ("/below/environ/x", "/below", "/environ/x"),
    ],
)
def test_the_application_sees_the_path_that_was_sent(
    server: Server, uri: str, script_name: str, path_info: str
) -> None:
    """lighttpd hands on `/` for `//` and `_` for a line's end, which no other front end does."""
    server.start()
    environ = json.loads(fetch(server.socket, uri, SCRIPT_NAME=script_name, PATH_INFO="/environ").body)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)


def test_the_application_knows_how_it_is_run(server: Server) -> None:
    server.start()
    environ = json.loads(fetch(server.socket, "/environ").body)
    names = ("wsgi.multiprocess", "wsgi.multithread", "wsgi.run_once", "wsgi.input_terminated")
    assert [environ[name] for name in names] == [True, True, False, True]


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 300_000])
def test_a_body_arrives_whole(server: Server, size: int) -> None:
    """Read to its end, not to CONTENT_LENGTH: a front end may not know the length."""
    server.start()
    response = fetch(server.socket, "/environ", b"x" * size, CONTENT_LENGTH="")
    assert json.loads(response.body)["body"] == size


def test_a_stream_is_sent_piece_by_piece_and_stops_when_nobody_listens(server: Server) -> None:
    server.start()
    with Call(server.socket, "/stream") as call:
        pieces = call.pieces()
        assert next(pieces).startswith(b"Status: 200 OK\r\n")
        assert next(pieces) == b"one"
        server.touch("release")
        assert next(pieces) == b"two"
    server.touch("never")
    server.appears("closed")


def test_what_the_application_logs_stays_in_its_own_log(server: Server) -> None:
    server.start()
    assert fetch(server.socket, "/log").body == b"first"
    assert "to the log" in server.log()


@pytest.mark.parametrize(("software", "coding"), [("lighttpd/1.4.79", "gzip"), ("nginx", None), (None, None)])
def test_pages_are_compressed_for_lighttpd_alone(software: str | None, coding: str | None) -> None:
    """The other front ends do it themselves, and say so in Vary: once is enough."""
    client = Client(compress_for_lighttpd(Response("x" * 2000, mimetype="text/html")))
    said = {"SERVER_SOFTWARE": software} if software else {}
    answer = client.get(headers={"Accept-Encoding": "gzip"}, environ_overrides=said)
    assert answer.headers.get("Content-Encoding") == coding
    assert answer.headers.get("Vary") == (coding and "Accept-Encoding")
