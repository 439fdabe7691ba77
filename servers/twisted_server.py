"""Twisted, reached by the front end through a Unix socket: HTTP.

Start: ``python -m servers.twisted_server app.wsgi``. Reload with new code: ``SIGHUP``. Stop: ``SIGTERM``.

Twisted reads requests and writes answers; its WSGIResource runs the application in threads. It cannot reload;
processes and signals are the business of `servers.supervisor`.
Manual: https://docs.twisted.org/en/stable/web/howto/web-in-60/wsgi.html
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from twisted.internet import asyncioreactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.main import installReactor
from twisted.internet.protocol import connectionDone
from twisted.internet.threads import deferToThreadPool
from twisted.logger import STDLibLogObserver, globalLogBeginner
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from twisted.web import server
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.wsgi import WSGIResource

from servers import supervisor


class Channel(HTTPChannel):
    """A connection. For WSGIResource it is the pool of threads: so it knows when its thread is done."""

    totalHeadersSize = 64 * 1024  # noqa: N815  the front end has a limit of its own; default: 16 KiB

    def __init__(self, in_thread: Callable[[Callable[[], None]], Deferred[None]]) -> None:
        super().__init__()
        self.in_thread = in_thread
        self.closed: Deferred[None] = Deferred()
        self.answered: Deferred[None] = succeed(None)

    def callInThread(self, answer: Callable[[], None]) -> None:  # noqa: N802  Twisted's name
        """Have a thread answer the request."""
        self.answered = self.in_thread(answer)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  Twisted's name
        """Note that the connection is closed."""
        super().connectionLost(reason)
        self.closed.callback(None)


class Request(server.Request):
    """A request on a Unix socket, where WSGIResource expects an address; its body needs no disk."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.client = self.host = IPv4Address("TCP", "", 0)

    def gotLength(self, _length: int | None) -> None:  # noqa: N802  Twisted's name
        """Have memory for the body."""
        self.content = BytesIO()


class Application(Resource):
    """The application, told what WSGIResource leaves out."""

    isLeaf = True  # noqa: N815  Twisted's name

    def __init__(self, application: WSGIApplication, reactor: Any) -> None:
        super().__init__()
        self.application, self.reactor = application, reactor

    def render(self, request: Request) -> Any:
        """Have the application answer."""
        uri = request.uri.decode("latin-1")

        def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
            environ.update(REQUEST_URI=uri, SERVER_PORT="")
            answer = self.application(environ, start_response)
            try:
                yield from answer
            finally:  # WSGIResource closes no answer that fails
                if hasattr(answer, "close"):
                    answer.close()

        return WSGIResource(self.reactor, request.channel, application).render(request)


def serve(
    application: WSGIApplication, listener: socket.socket, channel: socket.socket, threads: int
) -> None:
    """Serve until `channel` can be read; return when all requests are answered."""
    # Any: its interfaces are Zope's, which mypy does not know.
    observer: Any = STDLibLogObserver()
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    loop = asyncio.new_event_loop()
    reactor: Any = asyncioreactor.AsyncioSelectorReactor(loop)
    installReactor(reactor)
    pool = ThreadPool(threads, threads)
    site: Any = server.Site(Application(application, reactor), Request, parsePOSTFormSubmission=False)
    site.protocol = lambda: Channel(partial(deferToThreadPool, reactor, pool))

    async def converse(connection: socket.socket) -> None:
        with connection:
            connection.setblocking(False)
            adopted = reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, site).protocol
        await adopted.closed.asFuture(loop)
        await adopted.answered.asFuture(loop)

    task = loop.create_task(supervisor.converse(converse, listener, channel, threads))
    task.add_done_callback(lambda _: reactor.stop())
    pool.start()
    reactor.run(installSignalHandlers=False)
    pool.stop()
    task.result()


if __name__ == "__main__":
    sys.exit(supervisor.main(serve, "servers.twisted_server"))
