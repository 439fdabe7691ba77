"""Waitress, reached by the front end through a Unix socket: HTTP.

Start: ``python -m servers.waitress_server app.wsgi``. Reload with new code: ``SIGHUP``. Stop: ``SIGTERM``.

Waitress is one process that cannot reload; processes and signals are the business of `servers.supervisor`.
Settings: https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html
"""

from __future__ import annotations

import logging
import socket
import sys
from typing import Any
from wsgiref.types import WSGIApplication

from waitress import wasyncore
from waitress.server import UnixWSGIServer

from servers import supervisor


class End(wasyncore.dispatcher):
    """Takes the listening socket out of Waitress's loop when the supervisor says that it is over."""

    def __init__(self, channel: socket.socket, server: UnixWSGIServer, sockets: dict[int, Any]) -> None:
        super().__init__(channel, sockets)
        self.server = server

    def writable(self) -> bool:
        """Return False: it has nothing to say."""
        return False

    def handle_read(self) -> None:
        """Take no new connection."""
        self.server.del_channel()
        self.del_channel()


def serve(
    application: WSGIApplication, listener: socket.socket, channel: socket.socket, threads: int
) -> None:
    """Serve until `channel` can be read; return when all requests are answered."""
    logging.getLogger("waitress").setLevel(logging.ERROR)  # it warns whenever all threads are at work
    sockets: dict[int, Any] = {}
    server = UnixWSGIServer(
        application,
        sockets,
        _sock=listener,
        bind_socket=False,
        threads=threads,
        # A process takes no request that would wait for a thread: the other may have one free. It counts the
        # listening socket, a pipe of its own and `channel`, too.
        connection_limit=threads + 3,
        # What the front end says of the client is for the application. Default: True
        clear_untrusted_proxy_headers=False,
        # A body that the front end has passed on needs no disk. Default: 512 KiB
        inbuf_overflow=11 * 1024**2,
    )
    End(channel, server, sockets)
    while channel.fileno() in sockets or server.active_channels:
        wasyncore.loop(timeout=1, map=sockets, count=1)
    server.task_dispatcher.shutdown()


if __name__ == "__main__":
    sys.exit(supervisor.main(serve, "servers.waitress_server"))
