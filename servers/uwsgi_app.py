"""What uWSGI loads: the application, which sees the path as the client sent it."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from app import wsgi
from servers.sent_path import restore


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request."""
    restore(environ)
    return wsgi.application(environ, start_response)
