"""The id of a request: the same in the response, the access log and the application's log."""

from __future__ import annotations

import re
from uuid import uuid4

from flask import Flask, Response, g, request

# 32 hex digits, or the same with the dashes of RFC 4122.
WELL_FORMED = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def request_id() -> str:
    """Return what the front end, or a client that none stands before, says; else make one."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if WELL_FORMED.fullmatch(given) else uuid4().hex
    return str(g.request_id)


def _answer(response: Response) -> Response:
    response.headers["X-Request-ID"] = request_id()
    return response


def init_app(app: Flask) -> None:
    """Name the request in the response where no front end does, and on pages."""
    # A front end sets it on every response, its own included: twice would be once too often.
    if app.extensions["settings"].front_end == "none":
        app.after_request(_answer)
    app.jinja_env.globals["request_id"] = request_id
