"""Compression of pages for lighttpd, which cannot where it passes on streamed answers piece by piece.

mod_deflate takes answers that are complete, and with ``server.stream-response-body`` none is.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import brotli

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "br": lambda data: bytes(brotli.compress(data, quality=5)),
    "gzip": lambda data: gzip.compress(data, 6),
}
COMPRESSED_TYPES = {"text/html", "text/css", "text/javascript", "application/json"}
MIN_BYTES = 1024
"""Below that, compressing costs more than it saves."""


def compress(application: WSGIApplication) -> WSGIApplication:
    """Compress answers that are complete, as the client takes them; what is streamed stays as it is."""
    # Not before the application is loaded: it may bring a Werkzeug of its own.
    from werkzeug.wrappers import Request, Response

    def compressed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
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
