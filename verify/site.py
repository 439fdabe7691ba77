"""The site under test: connections on which every byte is ours, and what the first page shows."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import unescape

import h11
import httpx

AGENT = "flask-reference-verify/1.0"
FINGERPRINT = re.compile(r"-[0-9a-f]{32}\.")
LINK = re.compile(r"""<(a|link|script|img)\b[^>]*?\b(?:href|src)=["']?([^"'\s>]+)""", re.I)
# A visit must change nothing: links whose names say that they do are left alone.
UNSAFE = re.compile(r"log-?out|sign-?out|delete|remove|unsubscribe|clear|reset", re.I)
STRANGER = "stranger.invalid"  # a name that is nobody's (RFC 2606)
VISITS = 12  # links of the page that are looked at
CONNECTIONS = 20  # open at once


class CannotRunError(Exception):
    """One sentence: why nothing can be checked."""


class NotCheckedError(Exception):
    """One sentence: why a check cannot be seen from here."""


@dataclass(frozen=True)
class Figures:
    """The site's policy: bytes and seconds, as docs/hardening.md gives them."""

    body: int = 10 * 1024 * 1024
    field: int = 8 * 1024
    fields: int = 100
    slow: float = 15
    keep_alive: float = 15
    margin: float = 5
    patience: float = 10  # how long an answer may take


def path_of(answer: httpx.Response) -> str:
    """Return the path that was asked for, as it was sent."""
    return answer.request.url.raw_path.decode()


class Http2First(ssl.SSLContext):
    """httpx offers HTTP/1.1 before HTTP/2, and some servers follow the client's order."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:  # noqa: ARG002  httpx's own
        """Offer HTTP/2 first."""
        super().set_alpn_protocols(["h2", "http/1.1"])


class Wire:
    """One connection: bytes out, answers in."""

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._socket = connection
        self._patience = patience
        self._unread = b""

    @property
    def suite(self) -> str:
        """Name the suite that was agreed on."""
        agreed = self._socket.cipher() if isinstance(self._socket, ssl.SSLSocket) else None
        return agreed[0] if agreed else ""

    def send(self, data: bytes) -> None:
        """Send; who has closed already is heard by the next `answer`."""
        with suppress(ConnectionError, ssl.SSLError):
            self._socket.sendall(data)

    def answer(self, method: str = "GET") -> httpx.Response | None:
        """Return the next final answer; None where the server closed without one."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "parser")]))
        parser.send(h11.EndOfMessage())
        if self._unread:
            parser.receive_data(self._unread)
        head, body, arrived = None, b"", bool(self._unread)
        end = time.monotonic() + self._patience
        while not isinstance(event := parser.next_event(), (h11.EndOfMessage, h11.ConnectionClosed)):
            if event is h11.NEED_DATA:
                if (left := end - time.monotonic()) <= 0:
                    raise TimeoutError
                self._socket.settimeout(left)
                try:
                    data = self._socket.recv(65536)
                except (ConnectionError, ssl.SSLError):
                    data = b""
                if not data and not arrived:
                    return None
                arrived = True
                parser.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
        if head is None:
            return None
        self._unread = parser.trailing_data[0]
        return httpx.Response(head.status_code, headers=head.headers.raw_items(), content=body)

    def closes(self, within: float, drip: bytes = b"", every: float = 1) -> float | None:
        """Return the seconds until the server closes, None if it does not; meanwhile send `drip`."""
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < within:
            self._socket.settimeout(min(every, within - elapsed))
            try:
                if not self._socket.recv(65536):
                    return time.monotonic() - started
                continue
            except TimeoutError:
                pass
            except OSError:
                return time.monotonic() - started
            self.send(drip)
        return None


class Site:
    """A server at an address, and what its first page shows of it."""

    own_fields = 3  # headers that each request of `ask` has: Host, User-Agent, Connection

    def __init__(
        self, url: str, *, ca: str | None = None, insecure: bool = False, figures: Figures | None = None
    ) -> None:
        self.figures = figures or Figures()
        self.insecure = insecure
        self.requests = 0
        self.notes: list[str] = []
        self._ca = ca
        self._count = threading.Lock()
        self._looking = threading.Lock()
        self._kinds: dict[str, httpx.Response | None] = {}
        self._wires = threading.BoundedSemaphore(CONNECTIONS)
        self.files: list[httpx.Response] = []
        self.cookies: dict[str, httpx.Response] = {}
        self.redirect: httpx.Response | None = None
        self.redirect_path = ""  # of which `redirect` is the answer
        self._go_to(url)
        self.page = self._first_page()
        if insecure:
            self.notes.append("The certificate was not checked (--insecure).")
        self._look_around()

    def _go_to(self, url: str) -> None:
        if not url:
            raise CannotRunError("Which site? make verify URL=https://my.example.org")
        try:
            self.url = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise CannotRunError(f"“{url}” is no address of a site: {error}.") from error
        if self.url.scheme not in ("http", "https") or not self.url.host:
            raise CannotRunError(f"“{url}” is no address of a site: it begins with https:// or http://.")
        if not 0 < (self.url.port or 80) < 65536:
            raise CannotRunError(f"“{url}” is no address of a site: there is no port {self.url.port}.")
        self.tls = self.url.scheme == "https"
        self.port = self.url.port or (443 if self.tls else 80)
        self.host = self.url.netloc.decode()
        self.path = self.url.raw_path.decode()

    @property
    def local(self) -> bool:
        """Say whether the site is on this machine, where some rows do not apply."""
        return self.url.host in ("localhost", "127.0.0.1", "::1")

    # ---- Connections ----

    def context(self, kind: type[ssl.SSLContext] = ssl.SSLContext) -> ssl.SSLContext:
        """Return how certificates are trusted here."""
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_default_certs()
            if self._ca:
                context.load_verify_locations(self._ca)
        except (OSError, ssl.SSLError) as error:
            raise CannotRunError(f"The certificates of {self._ca} cannot be read: {error}.") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @contextmanager
    def wire(self, context: ssl.SSLContext | None = None) -> Iterator[Wire]:
        """Open a connection of one's own; it is closed afterwards."""
        with (
            self._wires,
            socket.create_connection((self.url.host, self.port), self.figures.patience) as plain,
        ):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self.tls:
                yield Wire(plain, self.figures.patience)
                return
            with (context or self.context()).wrap_socket(plain, server_hostname=self.url.host) as secured:
                yield Wire(secured, self.figures.patience)

    def counted(self) -> None:
        """Count a request that a check sends by itself."""
        with self._count:
            self.requests += 1

    # ---- Requests ----

    def head(
        self,
        *fields: str,
        method: str = "GET",
        target: str | None = None,
        version: str = "HTTP/1.1",
        host: str | None = None,
    ) -> bytes:
        """Return the bytes of a request's head; `host` "" leaves the Host out."""
        self.counted()
        named = [f"Host: {self.host if host is None else host}"] if host != "" else []
        start = f"{method} {target or self.path} {version}"
        lines = [start, *named, f"User-Agent: {AGENT}", *fields, "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def ask(
        self,
        *fields: str,
        method: str = "GET",
        target: str | None = None,
        host: str | None = None,
        body: bytes = b"",
    ) -> httpx.Response | None:
        """Send one request on a connection of its own; None where no answer came."""
        with self.wire() as wire:
            wire.send(self.head("Connection: close", *fields, method=method, target=target, host=host) + body)
            return wire.answer(method)

    def get(self, target: str | None = None, fields: Mapping[str, str] | None = None) -> httpx.Response:
        """GET as an ordinary client does; redirects are not followed."""
        answer = self.ask(*(f"{name}: {value}" for name, value in (fields or {}).items()), target=target)
        if answer is None:
            raise ConnectionError("closed without one")
        answer.request = httpx.Request("GET", self.url.join(target or self.path))
        return answer

    def by_browser(self, url: httpx.URL) -> httpx.Response:
        """GET as a browser does, by HTTP/2 where the server speaks it; any address of the site."""
        self.counted()
        context, patience = self.context(Http2First), self.figures.patience
        with (
            self._wires,
            httpx.Client(verify=context, http2=True, trust_env=False, timeout=patience) as client,
        ):
            return client.get(url, headers={"User-Agent": AGENT})

    # ---- What the first page shows ----

    def _first_page(self) -> httpx.Response:
        where = f"{self.url.host}, port {self.port},"
        for _ in range(5):
            page = self._reached(where)
            if not page.has_redirect_location:
                break
            try:
                target = self.url.join(page.headers["Location"])
            except httpx.InvalidURL as error:
                raise CannotRunError(f"{self.url} redirects to what is no address: {error}.") from error
            if target.host != self.url.host:
                raise CannotRunError(f"{self.url} redirects to another host: verify {target} instead.")
            if self.tls and target.scheme == "http":
                raise CannotRunError(f"{self.url} redirects to plain HTTP ({target}): mend that first.")
            self.notes.append(f"{self.url} redirects ({page.status_code}) to {target}")
            if self.tls == (target.scheme == "https"):
                self.redirect, self.redirect_path = page, self.path
            self._go_to(str(target))
        if page.status_code != 200:
            raise CannotRunError(f"{self.url} answers {page.status_code}: name a page that anybody may see.")
        return page

    def _reached(self, where: str) -> httpx.Response:
        try:
            answer = self.ask("Accept: text/html")
        except socket.gaierror as error:
            raise CannotRunError(f"The name {self.url.host} is not known: {error.strerror}.") from error
        except ssl.SSLCertVerificationError as error:
            raise CannotRunError(
                f"The certificate of {where} is not trusted: {error.verify_message.rstrip('.')}."
                " --ca FILE trusts who signed it, --insecure goes on without."
            ) from error
        except ssl.SSLError as error:
            raise CannotRunError(f"{where} does not speak TLS: {error.reason or error}.") from error
        except h11.ProtocolError as error:
            raise CannotRunError(f"{where} does not speak HTTP: {error}.") from error
        except TimeoutError as error:
            raise CannotRunError(f"{where} gave no answer within {self.figures.patience:g} s.") from error
        except OSError as error:
            raise CannotRunError(f"{where} cannot be reached: {error.strerror or error}.") from error
        if answer is None:
            raise CannotRunError(f"{where} closes the connection without an answer.")
        return answer

    def _look_around(self) -> None:
        """Find static files, a redirect and cookies by the links of the page, a bounded number of them."""
        self._keep_cookies(self.path, self.page)
        seen: dict[str, str] = {}
        for tag, link in LINK.findall(self.page.text):
            with suppress(httpx.InvalidURL):
                linked = self.url.join(unescape(link).partition("#")[0])
                if (linked.scheme, linked.netloc) == (self.url.scheme, self.url.netloc):
                    seen.setdefault(linked.raw_path.decode(), tag.lower())
        seen.pop(self.path, None)
        for target in [path for path, tag in seen.items() if tag != "a"][:VISITS]:
            with suppress(OSError, h11.ProtocolError):
                answer = self.get(target)
                if answer.status_code == 200 and {"etag", "last-modified"} & answer.headers.keys():
                    self.files.append(answer)
        # A page that is a file itself, as those of an untouched server are.
        if not self.files and {"etag", "last-modified"} & self.page.headers.keys():
            self.files.append(self.get())
        pages = [path for path, tag in seen.items() if tag == "a" and not UNSAFE.search(path)][:VISITS]
        shortened = [
            path.rstrip("/") for path in [*pages, *self._folders()] if path.endswith("/") and len(path) > 1
        ]
        for target in [*pages, *dict.fromkeys(shortened)][: 2 * VISITS]:
            with suppress(OSError, h11.ProtocolError):
                if (head := self.ask(method="HEAD", target=target)) is not None:
                    self._keep_cookies(target, head)
                    if head.has_redirect_location and not self.redirect_path:
                        self.redirect, self.redirect_path = self.ask(target=target), target

    def _keep_cookies(self, target: str, answer: httpx.Response) -> None:
        if "set-cookie" in answer.headers:
            self.cookies[target] = answer

    def _folders(self) -> list[str]:
        paths = [path_of(file) for file in self.files]
        return list(dict.fromkeys(path.rpartition("/")[0] + "/" for path in paths))

    @property
    def static(self) -> str:
        """The folder of static files; where none is seen, the usual one."""
        return next((folder for folder in self._folders() if folder != "/"), "/static/")

    def file(self) -> httpx.Response:
        """Return the first static file that the page links to."""
        if not self.files:
            raise NotCheckedError("the page links to no static file on this host")
        return self.files[0]

    def file_without_fingerprint(self) -> httpx.Response:
        """Return the first file by its ordinary name."""
        plain = self.get(FINGERPRINT.sub(".", path_of(self.file())))
        if plain.status_code != 200:
            raise NotCheckedError("the page links to no static file without a fingerprint on this host")
        return plain

    def conditions(self, file: httpx.Response) -> dict[str, str]:
        """Return the headers that ask whether `file` has changed."""
        known = {"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"}
        return {name: file.headers[of] for name, of in known.items() if of in file.headers}

    def kinds(self) -> dict[str, httpx.Response | None]:
        """Return one answer of each kind that this site gives; None where none was found."""
        with self._looking:
            if not self._kinds:
                self._kinds = self._one_of_each()
            return self._kinds

    def _one_of_each(self) -> dict[str, httpx.Response | None]:
        file = self.files[0] if self.files else None
        return {
            "page": self.page,
            "file": file,
            "304": file and self.get(path_of(file), self.conditions(file)),
            "redirect": self.redirect,
            "404": self.ask(target=self.missing()),
            "404 of a file": self.ask(target=self.static + self.missing(".css")[1:]),
            "400": self.ask(host=f"{self.url.host}/x"),
            "unknown Host": self.ask(host=STRANGER),
            "TRACE": self.ask(method="TRACE"),
        }

    def missing(self, extension: str = "") -> str:
        """Return a path that names nothing."""
        return f"/{uuid.uuid4().hex}{extension}"
