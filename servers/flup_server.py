"""flup, reached by the front end through a Unix socket: FastCGI.

Start: ``python -m servers.flup_server app.wsgi``. Reload with new code: ``SIGHUP``. Stop: ``SIGTERM``.

flup brings the protocol (its `Connection` serves one request); processes and signals are the business of
`servers.supervisor`, because flup's own servers drop requests when they reload or are full.
"""

from __future__ import annotations

import gzip
import logging
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import brotli
from flup.server.fcgi_base import BaseFCGIServer, Connection

from servers import supervisor

log = logging.getLogger("flup")


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "br": lambda data: bytes(brotli.compress(data, quality=5)),
    "gzip": lambda data: gzip.compress(data, 6),
}
COMPRESSED_TYPES = {"text/html", "text/css", "text/javascript", "application/json"}
MIN_BYTES = 1024
"""Below that, compressing costs more than it saves."""


def compress(application: WSGIApplication) -> WSGIApplication:
    """Compress complete answers for lighttpd, which cannot where it passes on streamed ones at once."""
    # Not before the application is loaded: it may bring a Werkzeug of its own.
    from werkzeug.wrappers import Request, Response

    def compressed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ.get("SERVER_SOFTWARE", "").startswith("lighttpd"):
            return application(environ, start_response)  # the others compress by themselves
        response = Response.from_app(application, environ)
        length = response.content_length or 0
        plain = "Content-Encoding" in response.headers or "Content-Range" in response.headers
        if response.mimetype not in COMPRESSED_TYPES or length < MIN_BYTES or plain:
            return response(environ, start_response)
        response.vary.add("Accept-Encoding")
        accepted = Request(environ).accept_encodings
        coding = next((coding for coding in CODINGS if accepted[coding] > 0), None)
        if coding:
            response.headers["Content-Encoding"] = coding
            if environ["REQUEST_METHOD"] == "HEAD":
                del response.headers["Content-Length"]
            else:
                response.set_data(CODINGS[coding](response.get_data()))
            tag, _ = response.get_etag()
            if tag:
                response.set_etag(tag, weak=True)
        return response(environ, start_response)

    return compressed


def serve(
    application: WSGIApplication, listener: socket.socket, channel: socket.socket, threads: int
) -> None:
    """Serve until `channel` can be read; return when all requests are answered."""
    server = BaseFCGIServer(compress(application), multithreaded=threads > 1, multiprocess=True)

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


if __name__ == "__main__":
    sys.exit(supervisor.main(serve, "servers.flup_server", Path("/run/app/flup.sock")))
