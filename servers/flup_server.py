"""flup, reached by the front end through a Unix socket: FastCGI.

Start: ``python -m servers.flup_server app.wsgi``. Reload with new code: ``SIGHUP``. Stop: ``SIGTERM``.

flup brings the protocol (its `Connection` serves one request); processes and signals are the business of
`servers.supervisor`, because flup's own servers drop requests when they reload or are full.
"""

from __future__ import annotations

import logging
import select
import socket
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flup.server.fcgi_base import BaseFCGIServer, Connection

from servers import supervisor
from servers.compress import compress

log = logging.getLogger("flup")


def compress_for_lighttpd(application: WSGIApplication) -> WSGIApplication:
    """Compress complete answers where lighttpd asks; the other front ends do it themselves."""
    compressed = compress(application)

    def chosen(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asks = environ.get("SERVER_SOFTWARE", "").startswith("lighttpd")
        return (compressed if asks else application)(environ, start_response)

    return chosen


def serve(
    application: WSGIApplication, listener: socket.socket, channel: socket.socket, threads: int
) -> None:
    """Serve until `channel` can be read; return when all requests are answered."""
    server = BaseFCGIServer(compress_for_lighttpd(application), multithreaded=threads > 1, multiprocess=True)

    def answer() -> None:
        while channel not in select.select([listener, channel], [], [])[0]:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue  # another thread was faster
            with connection:
                try:
                    Connection(connection, None, server, None).run()
                except Exception:
                    log.exception("a request ended early")

    pool = [threading.Thread(target=answer) for _ in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return supervisor.main(serve, "servers.flup_server", Path("/run/app/flup.sock"), arguments)


if __name__ == "__main__":
    sys.exit(main())
