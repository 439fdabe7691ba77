"""Granian, reached by the front end through a Unix socket: HTTP.

Start: ``python -m servers.granian_server app.wsgi``. Reload with new code: ``SIGHUP``. Stop: ``SIGTERM``.

Granian's own supervisor does not start where one that was killed has left its socket, and while it reloads
it hears no signal and replaces nobody. So `servers.supervisor` has the processes, and in each is a worker of
Granian's, used as `granian.server.mp` does. Settings: https://github.com/emmett-framework/granian#options

What it does not tell the application: REQUEST_URI, and a header's value that is not ASCII (it is empty).
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Generator, Iterable
from io import BytesIO
from itertools import chain
from typing import Any
from wsgiref.types import WSGIApplication

from granian._futures import _new_cbscheduler
from granian._granian import SocketHolder, WorkerSignal, WSGIWorker
from granian.http import HTTP1Settings
from granian.wsgi import Response

from servers import supervisor

# What every environment of WSGI has. Granian's own begins with this process's variables.
BASE = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def closing(answer: Iterable[bytes]) -> Generator[bytes]:
    """Yield what `answer` does, and close it, however that ends."""
    try:
        yield from answer
    finally:
        if hasattr(answer, "close"):
            answer.close()


def serve(
    application: WSGIApplication, listener: socket.socket, channel: socket.socket, threads: int
) -> None:
    """Serve until `channel` can be read; return when all requests are answered."""
    # Not before the application is loaded: it may bring a Werkzeug of its own.
    from werkzeug.wsgi import ClosingIterator

    def call(protocol: Any, scope: dict[str, Any]) -> None:
        # Taken whole before the answer, which a client might not get to read if some of it were left unread.
        scope["wsgi.input"] = BytesIO(scope["wsgi.input"].read())
        response = Response()  # type: ignore[no-untyped-call]
        pieces = closing(application({**BASE, **scope, "SERVER_PORT": ""}, response))
        # A generator says the status no earlier than its first piece.
        first = next(pieces, b"")
        whole = ClosingIterator(chain((first,), pieces), pieces.close)
        protocol.response_iter(response.status, response.headers, whole)

    settings: tuple[Any, ...] = (
        1,
        (None, SocketHolder(listener.fileno(), True, socket.SOMAXCONN)),  # type: ignore[call-arg]
        None,  # no metrics of its own
        1,  # thread for the network
        1,  # thread for files
        # More than it takes connections: a view goes on without its client, and its thread is nobody else's.
        10 * threads,
        30,  # seconds until a thread without work ends
        # A process takes no connection that would wait: the other may have a thread free. None is kept
        # between two requests: it would count.
        threads,
        "1",
        HTTP1Settings(keep_alive=False),
        None,  # no HTTP/2
        None,  # no static files
        *(False, None, None, None, "tls1.3", None, [], False),  # no TLS
        (None, None),
    )
    worker: Any = WSGIWorker(*settings)
    over, ended = WorkerSignal(), threading.Event()
    over.add_cb(ended.set)
    loop = asyncio.new_event_loop()
    worker.serve_mtr_uds(_new_cbscheduler(loop, call, impl_asyncio=True), loop, over)  # type: ignore[no-untyped-call]
    channel.setblocking(True)
    channel.recv(1)
    over.set()
    ended.wait()


if __name__ == "__main__":
    sys.exit(supervisor.main(serve, "servers.granian_server"))
