"""gevent, reached by the front end through a Unix socket: HTTP.

Start: ``python -m servers.gevent_server app.wsgi``. Reload with new code: ``SIGHUP``. Stop: ``SIGTERM``.

A request has a greenlet in place of a thread: one that waits (a stream, another server) costs next to
nothing. What computes, and SQLite while it waits for a lock, holds the whole process. gevent's server is one
process that cannot reload; processes and signals are the business of `servers.supervisor`.
Settings: https://www.gevent.org/api/gevent.pywsgi.html
"""

from __future__ import annotations

import sys

from gevent import monkey

# Before anything of the application is there, and not in the supervisor, whose waiting is its own.
if __name__ == "__main__" and "--worker" in sys.argv:
    monkey.patch_all()

import http.client
import logging
import socket
from typing import Any
from wsgiref.types import WSGIApplication

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer
from gevent.socket import wait_read

from servers import supervisor

log = logging.getLogger("gevent")


class Handler(WSGIHandler):
    """Tells the application the path as it was sent, and the log what went wrong."""

    def get_environ(self) -> dict[str, Any]:
        """Return the environment of WSGI, with REQUEST_URI."""
        return {**super().get_environ(), "REQUEST_URI": self.path}


def serve(
    application: WSGIApplication, listener: socket.socket, channel: socket.socket, threads: int
) -> None:
    """Serve until `channel` can be read; return when all requests are answered."""
    # 100 of the client's, Connection and the three that nginx sets, and the empty line. Default: 100
    http.client._MAXHEADERS = 105  # type: ignore[attr-defined]
    # Its own words would be no JSON.
    gevent.get_hub().print_exception = lambda _, *error: log.error("a request ended early", exc_info=error)  # type: ignore[method-assign]
    pool = Pool(threads)
    server = WSGIServer(
        listener,
        application,
        spawn=pool,
        log=None,
        error_log=log,
        handler_class=Handler,
        # Each process takes one connection at a time: the other may have less to do.
        environ={"wsgi.multithread": True, "wsgi.multiprocess": True},
    )
    server.start()
    wait_read(channel.fileno())
    server.close()
    pool.join()


if __name__ == "__main__":
    # They cost a few KiB each, and what waits for a client holds one.
    sys.exit(supervisor.main(serve, "servers.gevent_server", threads=100))
