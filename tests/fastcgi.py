"""A front end in miniature: one FastCGI request over a Unix socket.

https://fastcgi-archives.github.io/FastCGI_Specification.html
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

BEGIN, END, PARAMS, STDIN, STDOUT, STDERR = 1, 3, 4, 5, 6, 7
HEADER = struct.Struct("!BBHHBx")  # version, type, request, length, padding


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Call:
    """A request that was sent; its answer can be read piece by piece, or given up by closing."""

    def __init__(self, path: Path, uri: str = "/", body: bytes = b"", **params: str) -> None:
        environ = {
            "REQUEST_METHOD": "POST" if body else "GET",
            "REQUEST_URI": uri,
            "SCRIPT_NAME": "",
            "PATH_INFO": uri.partition("?")[0],
            "QUERY_STRING": uri.partition("?")[2],
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            **params,
        }
        pairs = b"".join(_pair(name.encode(), value.encode()) for name, value in environ.items())
        parts = [body[start : start + 0xFFFF] for start in range(0, len(body), 0xFFFF)]
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        self.socket.sendall(_record(BEGIN, struct.pack("!HB5x", 1, 0)))
        for kind, content in [
            (PARAMS, pairs),
            (PARAMS, b""),
            *((STDIN, part) for part in parts),
            (STDIN, b""),
        ]:
            self.socket.sendall(_record(kind, content))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield what arrives on standard output, record by record; raises EOFError if it breaks off."""
        while True:
            _, kind, _, length, padding = HEADER.unpack(self._exactly(HEADER.size))
            content = self._exactly(length + padding)[:length]
            if kind == END:
                return
            assert kind == STDOUT, f"the front end was sent a record of type {kind}: {content!r}"
            if content:
                yield content

    def response(self) -> Response:
        """Read the whole answer."""
        head, _, body = b"".join(self.pieces()).partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return Response(int(headers.pop("Status").split()[0]), headers, body)

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data


def fetch(path: Path, uri: str = "/", body: bytes = b"", **params: str) -> Response:
    """Send one request and read its whole answer."""
    with Call(path, uri, body, **params) as call:
        return call.response()


def _record(kind: int, content: bytes) -> bytes:
    return HEADER.pack(1, kind, 1, len(content), 0) + content


def _pair(name: bytes, value: bytes) -> bytes:
    lengths = (
        bytes([len(text)]) if len(text) < 128 else struct.pack("!L", len(text) | 1 << 31)
        for text in (name, value)
    )
    return b"".join(lengths) + name + value
