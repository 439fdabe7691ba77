"""HTTP/1 byte by byte: what is sent is the test's own, what comes back is read strictly.

``Place(url).say(request("GET /x HTTP/1.1", "Host: localhost"))`` returns every answer on one connection.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

STATUS_LINE = re.compile(rb"HTTP/(\d\.\d) (\d{3}) ?([^\r\n]*)")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")


class MalformedError(AssertionError):
    """The server sent what is no HTTP/1 answer."""


@dataclass(frozen=True)
class Answer:
    """An answer; header names are in lower case, in the order of arrival."""

    version: str
    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    def all(self, name: str) -> list[str]:
        """Return each value of a header."""
        return [value for found, value in self.fields if found == name.lower()]

    def __getitem__(self, name: str) -> str:
        """Return the value of a header that is there once."""
        values = self.all(name)
        assert len(values) == 1, f"{name} is there {len(values)} times in {self}"
        return values[0]

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def request(start: str, *lines: str, body: bytes = b"") -> bytes:
    """Return a request's bytes: the lines as they are (Latin-1), each ended by CRLF, and the body."""
    return b"".join(line.encode("latin-1") + b"\r\n" for line in (start, *lines, "")) + body


class Wire:
    """One connection. Where the server resets it, `reset` is set, and that counts as closed."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.received = bytearray()
        self.closed = False
        self.reset = False
        self.deadline = float("inf")

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Send all of it; return whether it was taken (it is not where the server has closed)."""
        try:
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return False
        return True

    def _more(self) -> bool:
        """Wait for bytes until the deadline (then: TimeoutError); return whether some came."""
        if self.closed:
            return False
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the server neither answers nor closes")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65_536)
        except ConnectionError:
            data, self.reset = b"", True
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            data = b""
        self.closed = not data
        self.received += data
        return not self.closed

    def _line(self) -> bytes:
        while b"\r\n" not in self.received:
            if not self._more():
                raise MalformedError(f"closed in a line: {bytes(self.received[-200:])!r}")
        return self._take(self.received.index(b"\r\n") + 2)[:-2]

    def _take(self, length: int) -> bytes:
        while len(self.received) < length:
            if not self._more():
                raise MalformedError(f"closed {length - len(self.received)} bytes before the end")
        data = bytes(self.received[:length])
        del self.received[:length]
        return data

    def _body(self, method: str, status: int, fields: list[tuple[str, str]]) -> bytes:
        """Read the body by RFC 9112, 6.3."""
        lengths = {value for name, value in fields if name == "content-length"}
        codings = [value.lower() for name, value in fields if name == "transfer-encoding"]
        if (codings and lengths) or len(lengths) > 1:
            raise MalformedError(f"more than one length: {fields}")
        if method == "HEAD" or status < 200 or status in {204, 304}:
            return b""
        if codings == ["chunked"]:
            body = b""
            while size := int(self._line(), 16):
                body += self._take(size)
                if self._take(2) != b"\r\n":
                    raise MalformedError("a chunk does not end where it should")
            while self._line():
                pass  # trailers
            return body
        if lengths:
            return self._take(int(lengths.pop()))
        while self._more():
            pass
        return self._take(len(self.received))

    def answer(self, method: str = "GET", seconds: float = 10.0) -> Answer | None:
        """Read the next answer to a request of `method`; None where the server closes without one.

        `seconds` is for all of it. Interim answers (100) are answers, too.
        """
        self.deadline = time.monotonic() + seconds
        if not self.received and not self._more():
            return None
        line = self._line()
        start = STATUS_LINE.fullmatch(line)
        if not start:
            raise MalformedError(f"no status line: {line[:200]!r}")
        fields = []
        while line := self._line():
            found = FIELD_LINE.fullmatch(line)
            if not found:
                raise MalformedError(f"no header: {line[:200]!r}")
            fields.append((found[1].decode().lower(), found[2].decode("latin-1")))
        status = int(start[2])
        body = self._body(method, status, fields)
        return Answer(start[1].decode(), status, start[3].decode("latin-1"), tuple(fields), body)

    def answers(self, *methods: str, seconds: float = 10.0) -> list[Answer]:
        """Read answers until the server closes, or is silent for `seconds`.

        They are to requests of `methods`, and of GET where there are more.
        """
        found: list[Answer] = []
        left = list(methods)
        while True:
            try:
                answer = self.answer(left[0] if left else "GET", seconds)
            except TimeoutError:
                if self.received:
                    raise
                return found
            if answer is None:
                return found
            found.append(answer)
            if left and answer.status >= 200:
                left.pop(0)

    def closes(self, seconds: float) -> bool:
        """Return whether the server closes within `seconds`; what it sends until then is passed over."""
        self.deadline = time.monotonic() + seconds
        try:
            while self._more():
                pass
        except TimeoutError:
            return False
        return True


@cache
def client_context(authority: Path | None, *, checks_name: bool) -> ssl.SSLContext:
    """Return what a client of HTTP/1.1 trusts. It is kept: to make it takes longer than a handshake."""
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = checks_name
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(frozen=True)
class Place:
    """Where a server listens; by TLS, `authority` is the certificate that vouches for it."""

    url: str
    authority: Path | None = None

    @property
    def host(self) -> str:
        """Return what a client that was given `url` says as Host."""
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        """Return what stands before every path of the site: "" at the root."""
        return urlsplit(self.url).path.rstrip("/")

    def connect(self, name: str | None = None, seconds: float = 10.0) -> Wire:
        """Open a connection; by TLS, `name` is said in the handshake (SNI) instead of that of `url`."""
        url = urlsplit(self.url)
        assert url.hostname
        # Every name that a test uses is this machine's; "localhost" could mean ::1 first.
        address = "127.0.0.1" if url.hostname == "localhost" else url.hostname
        sock = socket.create_connection((address, url.port or socket.getservbyname(url.scheme)), seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if url.scheme == "https":
            context = client_context(self.authority, checks_name=name is None)
            sock = context.wrap_socket(sock, server_hostname=name or url.hostname)
        return Wire(sock)

    def say(self, data: bytes, *methods: str, seconds: float = 10.0) -> list[Answer]:
        """Send `data` on a new connection; return every answer, as Wire.answers() does."""
        with self.connect() as wire:
            wire.send(data)
            return wire.answers(*methods, seconds=seconds)

    def ask(self, data: bytes, method: str = "GET", seconds: float = 10.0) -> Answer:
        """Send one request on a new connection; return its one final answer, at once when it is complete."""
        with self.connect() as wire:
            wire.send(data)
            while answer := wire.answer(method, seconds):
                if answer.status >= 200:
                    return answer
        raise MalformedError("closed without an answer")
