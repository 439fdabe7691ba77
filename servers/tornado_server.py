"""Tornado, reached by the front end through a Unix socket: HTTP.

Start: ``python -m servers.tornado_server app.wsgi``. Reload with new code: ``SIGHUP``. Stop: ``SIGTERM``.

Tornado reads requests and writes answers; the application runs in threads. Its own WSGIContainer keeps an
answer until that is whole: here the standard library's handler sends it piece by piece. Tornado cannot
reload; processes and signals are the business of `servers.supervisor`.
Manual: https://www.tornadoweb.org/en/stable/http1connection.html
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any
from wsgiref.handlers import SimpleHandler
from wsgiref.headers import Headers
from wsgiref.types import WSGIApplication, WSGIEnvironment

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream, StreamClosedError
from tornado.wsgi import WSGIContainer

from servers import supervisor

log = logging.getLogger("tornado")


class Answer(SimpleHandler):
    """Runs the application in a thread, and has the event loop send what it yields, piece by piece."""

    environ: WSGIEnvironment
    headers: Headers
    status: str
    os_environ = {}  # noqa: RUF012  of the class it would be this process's own

    def __init__(
        self, environ: WSGIEnvironment, http: HTTP1Connection, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(environ["wsgi.input"], BytesIO(), sys.stderr, environ)
        self.http, self.loop = http, loop
        self.complete = False

    def run(self, application: WSGIApplication) -> None:
        """Answer the request."""
        try:
            super().run(application)
        finally:
            self.loop.call_soon_threadsafe(self.http.finish if self.complete else self.http.close)

    def send_headers(self) -> None:
        """Send them in Tornado's way."""
        self.cleanup_headers()
        self.headers_sent = True
        headers = HTTPHeaders()
        for name, value in self.headers.items():
            headers.add(name, value)
        code, _, reason = self.status.partition(" ")
        self._send(self.http.write_headers, ResponseStartLine("HTTP/1.1", int(code), reason), headers)

    def finish_content(self) -> None:
        """Note that nothing is missing."""
        super().finish_content()
        self.complete = True

    def log_exception(self, exc_info: Any) -> None:
        """Leave the form to the log."""
        log.error("a request ended early", exc_info=exc_info)

    def _write(self, data: bytes) -> None:
        if data and self.environ["REQUEST_METHOD"] != "HEAD":
            self._send(self.http.write, data)

    def _flush(self) -> None:
        pass

    def _send(self, write: Callable[..., Awaitable[None]], *data: object) -> None:
        """Wait until it is written; raise BrokenPipeError where the client has gone."""

        async def written() -> None:
            await write(*data)

        try:
            asyncio.run_coroutine_threadsafe(written(), self.loop).result()
        except StreamClosedError:
            raise BrokenPipeError from None


class Request(HTTPMessageDelegate):
    """What arrives on a connection; once it is whole, `answer` is the application at work."""

    def __init__(self, http: HTTP1Connection, container: WSGIContainer) -> None:
        self.http, self.container = http, container
        self.body = BytesIO()
        self.answer: asyncio.Future[None] | None = None

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
        """Keep them."""
        self.start: RequestStartLine = start_line
        self.headers = headers

    def data_received(self, chunk: bytes) -> None:
        """Keep a piece of the body."""
        self.body.write(chunk)

    def finish(self) -> None:
        """Have a thread answer."""
        loop = asyncio.get_running_loop()
        request = HTTPServerRequest(start_line=self.start, headers=self.headers, connection=self.http)
        self.body.seek(0)
        environ = self.container.environ(request)
        # A Unix socket has no address; the port is in Host, which the container reads as if IPv6 were not.
        environ.update(REMOTE_ADDR="", SERVER_PORT="", REQUEST_URI=request.uri)
        environ["wsgi.input"] = self.body
        answer = Answer(environ, self.http, loop)
        self.answer = loop.run_in_executor(
            self.container.executor, answer.run, self.container.wsgi_application
        )


async def converse(container: WSGIContainer, connection: socket.socket) -> None:
    """Answer the one request of a connection; return when the application is done with it, too."""
    stream = IOStream(connection)
    http = HTTP1Connection(stream, is_client=False, params=HTTP1ConnectionParameters(no_keep_alive=True))
    request = Request(http, container)
    with suppress(StreamClosedError):
        await http.read_response(request)
    stream.close()
    if request.answer:
        await request.answer


def serve(
    application: WSGIApplication, listener: socket.socket, channel: socket.socket, threads: int
) -> None:
    """Serve until `channel` can be read; return when all requests are answered."""
    with ThreadPoolExecutor(threads) as pool:
        container = WSGIContainer(application, pool)
        asyncio.run(supervisor.converse(partial(converse, container), listener, channel, threads))


if __name__ == "__main__":
    sys.exit(supervisor.main(serve, "servers.tornado_server"))
