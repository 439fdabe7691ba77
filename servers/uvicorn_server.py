"""Uvicorn, reached by the front end through a Unix socket: HTTP, and ASGI by asgiref.

Start: ``python -m servers.uvicorn_server app.wsgi``. Reload with new code: ``SIGHUP``. Stop: ``SIGTERM``.

Uvicorn's own processes take every connection at once, however many threads they have, and at their end drop
those whose request they have not read. Here they come one by one; processes and signals are the business of
`servers.supervisor`. Settings: https://uvicorn.dev/settings/
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from asgiref.sync import AsyncToSync, ThreadSensitiveContext
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from asgiref.wsgi import WsgiToAsgiInstance
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from servers import supervisor


class Call(WsgiToAsgiInstance):
    """One call of the application, in a thread of its own, that ends with its client.

    asgiref alone has one thread for all calls, reads a stream to its end though nobody listens, and does not
    close it.
    """

    def __init__(self, application: WSGIApplication) -> None:
        super().__init__(self.pieces)
        self.application = application
        self.client_gone = False

    async def __call__(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Serve as ASGI says.

        The body is kept in memory; the front end bounds it. asgiref's file cannot be written where the disk
        is full, and nobody would say so.
        """
        self.scope, self.receive, self.sync_send = scope, receive, AsyncToSync(send)
        body, more = BytesIO(), True
        while more:
            message = await receive()
            if message["type"] != "http.request":  # the client is gone
                return
            body.write(message["body"])
            more = message["more_body"]
        body.seek(0)
        await self.run_wsgi_app(body)

    async def run_wsgi_app(self, body: BytesIO) -> None:
        """Serve, once the body is there: what is received after it is that the client goes away."""
        watch = asyncio.ensure_future(self.receive())
        watch.add_done_callback(lambda _: setattr(self, "client_gone", True))
        async with ThreadSensitiveContext():
            await super().run_wsgi_app(body)

    def build_environ(self, scope: HTTPScope, body: BytesIO) -> WSGIEnvironment:
        """Return the environment of WSGI, with REQUEST_URI, and without the port that the socket lacks."""
        environ: WSGIEnvironment = super().build_environ(scope, body)
        query = environ["QUERY_STRING"]
        target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        return {**environ, "REQUEST_URI": target, "SERVER_PORT": ""}

    def pieces(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        """Yield the answer for as long as there is a client, and close it."""
        answer = self.application(environ, start_response)
        try:
            for piece in answer:
                yield piece
                if self.client_gone:
                    break
        finally:
            if hasattr(answer, "close"):
                answer.close()


class Connection(H11Protocol):
    """A connection, with one request."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, ServerState(), {})
        self.server_state.default_headers = config.encoded_headers
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it is closed."""
        super().connection_lost(exc)
        self.lost.set()

    async def finished(self) -> None:
        """Return when it is closed, and its thread free: a view may go on without its client."""
        await self.lost.wait()
        if self.tasks:
            await asyncio.wait(self.tasks)


async def converse(config: Config, connection: socket.socket) -> None:
    """Answer the one request of a connection; return when the application is done with it, too."""
    loop = asyncio.get_running_loop()
    _, protocol = await loop.connect_accepted_socket(lambda: Connection(config), connection)
    await protocol.finished()


def serve(
    application: WSGIApplication, listener: socket.socket, channel: socket.socket, threads: int
) -> None:
    """Serve until `channel` can be read; return when all requests are answered."""

    async def call(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await Call(application)(scope, receive, send)

    config = Config(
        call,
        interface="asgi3",
        ws="none",
        # The logs are the application's.
        log_config=None,
        access_log=False,
        # What the front end says of the client is for the application; default: uvicorn believes it, too.
        proxy_headers=False,
        # One request a connection, so that each has its turn.
        headers=[("Connection", "close")],
        server_header=False,
        # As the front end takes them: four buffers of 8 KiB, and its own. Default: 16 KiB
        h11_max_incomplete_event_size=40 * 1024,
    )
    config.load()
    asyncio.run(supervisor.converse(partial(converse, config), listener, channel, threads))


if __name__ == "__main__":
    sys.exit(supervisor.main(serve, "servers.uvicorn_server"))
