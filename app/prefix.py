"""The application below a prefix (`/guide/…`), where a site has other things at its root."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

# What the machine asks stays at the root alone, where a front end keeps strangers from /metrics.
PROBES = {"/healthz", "/readyz", "/metrics"}


def init_app(app: Flask) -> None:
    """Move the prefix from PATH_INFO to SCRIPT_NAME; what is outside it is not found."""
    prefix = app.extensions["settings"].prefix
    if not prefix:
        return
    application = app.wsgi_app

    def inside(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = NotFound() if environ["PATH_INFO"] in PROBES else application
        return answer(environ, start_response)

    def outside(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = application if environ["PATH_INFO"] in PROBES else NotFound()
        return answer(environ, start_response)

    app.wsgi_app = DispatcherMiddleware(outside, {prefix: inside})  # type: ignore[method-assign]
