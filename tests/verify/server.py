"""A small server that keeps the contract as far as `verify` looks; each `Behaviour` can break one row."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import socket
import ssl
import threading
import time
import uuid
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import brotli
import h2.config
import h2.connection
import h2.events

from verify.checks.reach import HSTS, INTERMEDIATE
from verify.checks.truth import WELL_FORMED
from verify.site import Figures

FIGURES = Figures(body=200_000, slow=1.5, keep_alive=1.5, margin=1, patience=4)
FINGERPRINTED = f"/static/site-{'0' * 32}.css"
LINKS = ("/old", "/form")
PAGE = f'<link href="{FINGERPRINTED}">' + "".join(f'<a href="{link}">…</a>' for link in LINKS) + "text " * 300
STYLE = "a { color: red }\n" * 100
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


@dataclass(frozen=True)
class Behaviour:
    """What the server does; each default keeps the contract."""

    oldest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    newest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    suites: str = ":".join(sorted(INTERMEDIATE))
    alpn: tuple[str, ...] = ("h2", "http/1.1")
    hsts: int = HSTS
    moved: str = ""  # where the page is instead
    any_host: bool = False
    malformed_host: bool = False
    believes_forwarded: bool = False
    request_id: str = "right"  # "none", "fixed", "made" (never kept), "kept" (whatever it is)
    strange_path: int = 404
    up: bytes = b""  # what a way up leads to
    trace: int = 405
    head: str = "right"  # "body", "headers"
    http10: str = "right"  # "chunked", "open"
    chunked: int = 200
    ambiguous: str = "refused"  # "taken", "twice"
    validators: bool = True
    unchanged: int = 304
    ranges: bool = True
    style: str = "text/css; charset=utf-8"
    cached: str = "public, max-age=31536000, immutable"
    asked_again: str = "no-cache"
    codings: tuple[str, ...] = ("br", "gzip")
    vary: bool = True
    smallest: int = 1024
    dotfile: int = 404
    folder: int = 404
    largest: int = FIGURES.body
    closes_413: bool = True
    line: int = FIGURES.field
    lines: int = FIGURES.fields
    head_time: float = FIGURES.slow
    body_time: float = FIGURES.slow
    byte_time: float = FIGURES.slow
    at_once: int = 100
    keep_alive: float = FIGURES.keep_alive
    without: tuple[int, ...] = ()  # the statuses whose answers have no security headers
    server: str = "tiny"
    twice: str = ""
    cookie: str = "session=1; HttpOnly; SameSite=Lax; Secure"
    errors: str = "right"  # "html", "broken", "without id", "application" (its 404 tells nothing)
    more: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    method: str
    target: str
    version: str
    fields: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.fields if found.lower() == name.lower()]

    def get(self, name: str) -> str:
        return next(iter(self.all(name)), "")


class Server:
    """Serves on a free port of 127.0.0.1 until it is left."""

    def __init__(self, behaviour: Behaviour, pair: Path | None) -> None:
        self.behaviour, self.tls = behaviour, pair is not None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if pair else ''}://127.0.0.1:{self.port}/"
        self.open, self.counting = 0, threading.Lock()
        self.context = self._context(pair) if pair else None

    def _context(self, pair: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        context.set_ciphers(f"{self.behaviour.suites}:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = self.behaviour.oldest_tls
            context.maximum_version = self.behaviour.newest_tls
        context.set_alpn_protocols(list(self.behaviour.alpn))
        return context

    def __enter__(self) -> Server:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self.counting:
            self.open += 1
        try:
            with suppress(OSError), connection:
                self._converse(connection)
        finally:
            with self.counting:
                self.open -= 1

    def _converse(self, connection: socket.socket) -> None:
        if self.context is None:
            Connection(self, connection).serve()
            return
        connection.settimeout(5)
        with self.context.wrap_socket(connection, server_side=True) as secured:
            if secured.selected_alpn_protocol() == "h2":
                serve_http2(secured)
            else:
                Connection(self, secured).serve()


def serve_http2(connection: socket.socket) -> None:
    """Answer every request by an empty 200."""
    state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    state.initiate_connection()
    connection.sendall(state.data_to_send())
    while data := connection.recv(65536):
        for event in state.receive_data(data):
            if isinstance(event, h2.events.RequestReceived) and event.stream_id:
                state.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
        connection.sendall(state.data_to_send())


class Refused(Exception):  # noqa: N818  a way out, no error
    """The request is answered by this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection:
    """One HTTP/1 connection."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self.server, self.does, self.socket = server, server.behaviour, connection
        self.buffer = b""

    def serve(self) -> None:
        first = True
        while request := self._request(self.does.head_time if first else self.does.keep_alive):
            first = False
            close = "close" in request.get("Connection") or (
                request.version == "HTTP/1.0" and self.does.http10 != "open"
            )
            try:
                self._check(request)
                if self._ambiguous(request):
                    close = self.does.ambiguous != "twice"
                    self.buffer = self.buffer.removeprefix(b"0\r\n\r\n")
                else:
                    self._body(request)
                self._answer(request, *self._route(request))
            except Refused as refused:
                self._answer(request, refused.status, "", {})
                close = refused.status != 413 or self.does.closes_413
            if close:
                return

    def _request(self, seconds: float) -> Request | None:
        end = time.monotonic() + seconds
        while b"\r\n\r\n" not in self.buffer:
            if not self._more(end):
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return Request(method, target, version, fields)

    def _more(self, end: float) -> bool:
        self.socket.settimeout(max(end - time.monotonic(), 0.001))
        data = self.socket.recv(65536)  # TimeoutError is an OSError: the connection ends
        self.buffer += data
        return bool(data)

    def _more_of_body(self, end: float) -> None:
        if not self._more(end):
            raise ConnectionError("the client left before its body had ended")

    def _check(self, request: Request) -> None:
        lines = [
            f"{request.method} {request.target}",
            *(f"{name}: {value}" for name, value in request.fields),
        ]
        if len(request.fields) > self.does.lines or max(map(len, lines)) > self.does.line:
            raise Refused(431)
        if not self.does.malformed_host and (
            len(request.all("Host")) != 1 or not re.fullmatch(r"[\w.:-]+", request.get("Host"))
        ):
            raise Refused(400)
        known = f"127.0.0.1:{self.server.port}"
        named = re.match("http://([^/]*)", request.target)
        if not self.does.any_host and (named[1] if named else request.get("Host")) != known:
            raise Refused(400 if "/" in request.get("Host") else 421)
        if self.server.open > self.does.at_once:
            time.sleep(1.1)
        if request.method == "TRACE":
            raise Refused(self.does.trace)

    def _ambiguous(self, request: Request) -> bool:
        lengths, codings = request.all("Content-Length"), request.all("Transfer-Encoding")
        wrong = (
            len(lengths) + len(codings) > 1
            or any(not length.isdigit() for length in lengths)
            or any(coding != "chunked" for coding in codings)
            or any(name.endswith(" ") or "\0" in value for name, value in request.fields)
        )
        if wrong and self.does.ambiguous == "refused":
            raise Refused(400)
        return wrong

    def _body(self, request: Request) -> None:
        if request.get("Expect"):
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.get("Transfer-Encoding"):
            if self.does.chunked >= 400:
                raise Refused(self.does.chunked)
            while b"0\r\n\r\n" not in self.buffer and b"zz" not in self.buffer:
                self._more_of_body(time.monotonic() + self.does.body_time)
            if b"zz" in self.buffer:
                raise Refused(400)
            self.buffer = self.buffer.partition(b"0\r\n\r\n")[2]
        length, end = int(request.get("Content-Length") or 0), time.monotonic() + self.does.body_time
        if length > self.does.largest:
            raise Refused(413)
        while len(self.buffer) < length:
            self._more_of_body(min(end, time.monotonic() + self.does.byte_time))
        self.buffer = self.buffer[length:]

    def _route(self, request: Request) -> tuple[int, str, dict[str, str]]:
        path = re.sub("^http://[^/]*", "", request.target).partition("?")[0]
        html = {"Content-Type": "text/html; charset=utf-8"}
        if path == "/":
            return (302, "", html | {"Location": self.does.moved}) if self.does.moved else (200, PAGE, html)
        if path == "/form":
            return 200, "form", html | {"Set-Cookie": self.does.cookie}
        if path == "/old":
            host = request.get("X-Forwarded-Host") if self.does.believes_forwarded else ""
            return 302, "", html | {"Location": f"http://{host}/" if host else "/"}
        if path in (FINGERPRINTED, "/static/site.css"):
            return self._file(request, path)
        if self.does.up and ".." in path:
            return 200, self.does.up.decode(), html
        if "%" in path:
            raise Refused(self.does.strange_path)
        if path == "/static/":
            raise Refused(self.does.folder)
        raise Refused(self.does.dotfile if "/." in path else 404)

    def _file(self, request: Request, path: str) -> tuple[int, str, dict[str, str]]:
        tag = f'"{hashlib.sha256(STYLE.encode()).hexdigest()[:8]}"'
        headers = {"Content-Type": self.does.style}
        headers["Cache-Control"] = self.does.cached if path == FINGERPRINTED else self.does.asked_again
        headers["Last-Modified"] = "Mon, 01 Jan 2024 00:00:00 GMT"
        if self.does.validators:
            headers["ETag"] = tag
        if self.does.unchanged == 304 and (
            request.get("If-None-Match") == tag or request.get("If-Modified-Since")
        ):
            return 304, "", headers
        if self.does.ranges and request.get("Range") == "bytes=0-9":
            return 206, STYLE[:10], headers
        return 200, STYLE, headers

    def _answer(self, request: Request, status: int, text: str, own: dict[str, str]) -> None:
        identity = self._identity(request)
        headers = own | self._of_all(status) | ({"X-Request-ID": identity} if identity else {})
        if status >= 400:
            text, headers["Content-Type"] = self._error(request, status, identity)
        body = text.encode()
        if status == 200 and self.does.vary and len(body) > self.does.smallest:
            headers["Vary"] = "Accept-Encoding"
        for coding, pack in {"br": brotli.compress, "gzip": gzip.compress}.items():
            accepted = coding in request.get("Accept-Encoding") and coding in self.does.codings
            if accepted and len(body) > self.does.smallest:
                body, headers["Content-Encoding"] = pack(body), coding
                break
        if request.version == "HTTP/1.0" and self.does.http10 == "chunked":
            headers["Transfer-Encoding"] = "chunked"
            body = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        elif status != 304:
            headers["Content-Length"] = str(len(body))
        if request.method == "HEAD":
            headers = {} if self.does.head == "headers" else headers
            body = body if self.does.head == "body" else b""
        lines = [f"HTTP/1.1 {status} Tiny", *(f"{name}: {value}" for name, value in headers.items())]
        lines += [f"{self.does.twice}: {headers[self.does.twice]}"] if self.does.twice in headers else []
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def _of_all(self, status: int) -> dict[str, str]:
        headers = {"Server": self.does.server, **self.does.more}
        if status not in self.does.without:
            headers |= SECURITY
        if self.server.tls and self.does.hsts:
            headers["Strict-Transport-Security"] = f"max-age={self.does.hsts}"
        return headers

    def _identity(self, request: Request) -> str:
        given, how = request.get("X-Request-ID"), self.does.request_id
        if how in ("none", "fixed"):
            return "" if how == "none" else "0" * 32
        if how == "kept" and given:
            return given
        return given if WELL_FORMED.fullmatch(given) and how != "made" else uuid.uuid4().hex

    def _error(self, request: Request, status: int, identity: str) -> tuple[str, str]:
        if self.does.errors == "application" and status == 404 and "/static/" not in request.target:
            return "<h1>404</h1>", "text/html; charset=utf-8"
        told = "" if self.does.errors == "without id" else identity
        if "json" in request.get("Accept") and self.does.errors != "html":
            text = json.dumps({"status": status, "request_id": told})
            return "broken" if self.does.errors == "broken" else text, "application/json"
        return f"<h1>{status}</h1>{told}", "text/html; charset=utf-8"
