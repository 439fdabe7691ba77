"""An application server under `servers.supervisor`, with real processes and a small application."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from tests.profiles import ROOT


class Fetched(Protocol):
    """An answer, of whatever protocol."""

    @property
    def body(self) -> bytes: ...


APPLICATION = """
import json, os, pathlib, sys, time

here = pathlib.Path(__file__).parent

def until(name):
    while not (here / name).exists():
        time.sleep(0.005)

def stream():
    try:
        yield b"one"
        until("release")
        yield b"two"
        until("never")
        yield b"three"
    finally:
        (here / "closed").touch()

class Broken:
    def __iter__(self):
        yield b"one"
        1 / 0

    def close(self):
        (here / "closed").touch()

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    path = environ["PATH_INFO"]
    if path == "/pid":
        return [str(os.getpid()).encode()]
    if path == "/held":
        (here / f"held-{environ['QUERY_STRING']}").touch()
        until("release")
    if path == "/stream":
        return stream()
    if path == "/large":
        return [b"x" * 5_000_000]
    if path == "/fail":
        raise RuntimeError("a view")
    if path == "/broken":
        return Broken()
    if path == "/log":
        print("to the log", file=environ["wsgi.errors"], flush=True)
    if path.startswith("/environ"):
        body = environ["wsgi.input"].read()
        known = {name: value for name, value in environ.items() if isinstance(value, (str, bool))}
        return [json.dumps({**known, "body": len(body)}).encode()]
    return [b"VERSION"]
"""


def eventually(happened: Callable[[], bool], what: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.005)


class Server:
    """An application server as a process of its own, in a folder of its own, with a small application.

    `fetch` sends a request for a path in its protocol.
    """

    def __init__(self, folder: Path, module: str, fetch: Callable[..., Fetched]) -> None:
        self.folder = folder
        self.module = module
        self.command: tuple[str, ...] = ("-m", f"servers.{module}")
        self.fetch = fetch
        self.socket = folder / "app.sock"
        self.write(version="first")

    def write(self, *, version: str) -> None:
        self.install(APPLICATION.replace("VERSION", version))

    def install(self, text: str) -> None:
        """Put the code in place at once, as a deployment would."""
        new = self.folder / "new"
        new.write_text(text)
        new.replace(self.folder / "small.py")

    def start(self, *options: str) -> None:
        self.process = self.popen(*options)
        eventually(self.listens, "the socket")

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as visitor:
            return visitor.connect_ex(str(self.socket)) == 0

    def popen(
        self, *options: str, stdin: int | None = None, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        where = [] if {"--stdin", "--fd"} & {*options} else ["--socket", str(self.socket)]
        command = [sys.executable, *self.command, "small", *where, "--threads", "2", *options]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=environ, stdin=stdin, stderr=log, pass_fds=pass_fds
            )

    def end(self) -> None:
        """Stop it, and let go what the application waits for."""
        if hasattr(self, "process"):
            self.touch("release")
            self.touch("never")
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            finally:
                self.process.kill()
                self.process.wait()

    def refusal(self) -> str:
        """Start a server that must refuse with status 1; return what it says."""
        assert self.popen().wait(timeout=20) == 1
        return self.log()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def answers(self, version: str) -> None:
        eventually(
            lambda: self.fetch(self.socket).body == version.encode(), f"an answer of the {version} version"
        )

    def says(self, text: str) -> None:
        eventually(lambda: text in self.log(), f"the log says '{text}'")

    def touch(self, name: str) -> None:
        (self.folder / name).touch()

    def appears(self, name: str) -> None:
        eventually((self.folder / name).exists, name)

    def workers(self, number: int = 2) -> set[int]:
        """Return the ids of the processes that answer, once there are so many."""
        found: set[int] = set()

        def all_of_them() -> bool:
            with ThreadPoolExecutor(4) as pool:
                found.update(pool.map(lambda _: int(self.fetch(self.socket, "/pid").body), range(8)))
            return len(found) >= number

        eventually(all_of_them, f"{number} workers answer")
        return found


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # before it was opened, or before it was read
        return True
