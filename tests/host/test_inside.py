"""What a container or a command in it wrote is there, however it arrives: tests/inside.py."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from docker.errors import APIError
from docker.models.containers import Container

import docker
from tests.inside import log_lines, run_inside

WRITTEN = b"".join(
    bytes([number, 0, 0, 0]) + len(text).to_bytes(4) + text
    for number, text in ((1, b"one\n"), (2, b"an error\n"), (1, b"two\n"))
)


class Engine(BaseHTTPRequestHandler):
    """Answers as Docker's does on a busy machine: headers and output at once, then the end."""

    def say(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} -\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode() + body)
        self.close_connection = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/start"):
            self.say(200, WRITTEN)
        elif "/stopped/" in self.path:
            self.say(409, json.dumps({"message": "it is not running"}).encode())
        else:
            self.say(201, b'{"Id": "1"}')

    def do_GET(self) -> None:
        if self.path.endswith("/containers/1/json"):
            self.say(200, b'{"Id": "1", "Config": {"Tty": true}}')
        elif "/containers/1/logs?" in self.path:
            self.say(200, b'{"one": 1}\n{"two": "the first 16 KiB of')
        else:
            self.say(200, b'{"ExitCode": 7}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        """Return a name: on a Unix socket a client has no address."""
        return "client"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[docker.DockerClient]:
    path = str(tmp_path / "engine")
    with socketserver.ThreadingUnixStreamServer(path, Engine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = docker.DockerClient(base_url=f"unix://{path}", version="1.41")
        try:
            yield client
        finally:
            client.close()
            server.shutdown()


def test_output_that_arrives_with_the_headers_is_there(client: docker.DockerClient) -> None:
    container = Container(attrs={"Id": "running"}, client=client)
    assert run_inside(container, ["true"]) == (7, b"one\nan error\ntwo\n")


def test_container_that_does_not_run_is_told_of(client: docker.DockerClient) -> None:
    with pytest.raises(APIError, match="it is not running"):
        run_inside(Container(attrs={"Id": "stopped"}, client=client), ["true"])


def test_line_of_a_log_that_is_being_written_is_none_yet(client: docker.DockerClient) -> None:
    assert log_lines(Container(attrs={"Id": "1"}, client=client)) == [b'{"one": 1}']
