"""The site's own error pages, as HTML or JSON, whichever the client prefers."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile

from flask import Flask, Response, current_app, jsonify, make_response, render_template, request
from sqlalchemy.exc import DatabaseError, OperationalError
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from app.request_id import request_id


class InsufficientStorage(HTTPException):
    """The disk is full: 507, which Werkzeug does not name."""

    code = 507
    description = "There is no room left to store this. Nothing was kept of it; please try again later."


def wants_json() -> bool:
    """Tell whether the client asked for JSON rather than for a page."""
    accept = request.accept_mimetypes
    return accept["application/json"] > accept["text/html"]


def as_dict(error: HTTPException, of_request: str) -> dict[str, object]:
    """Return what a client gets that prefers JSON; `of_request` is the request's id."""
    return {"status": error.code, "error": error.name, "detail": error.description, "request_id": of_request}


def error_response(error: HTTPException) -> Response:
    """Return the site's answer for `error`: its status and headers, with our own body."""
    plain = error.get_response()
    if error.code is None or error.code < 400:
        return make_response(plain)
    if wants_json():
        response = jsonify(as_dict(error, request_id()))
    else:
        response = make_response(render_template("error.html", error=error))
    response.vary.add("Accept")
    response.status_code = error.code
    for name, value in plain.headers:
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


# As the front ends say when the application does not answer.
RETRY_SECONDS = 5

# Not their subclasses: a broken constraint or a wrong statement is no outage.
DATABASE_DOWN = (DatabaseError, OperationalError, sqlite3.DatabaseError, sqlite3.OperationalError)


def log_outage(what: str, error: Exception) -> None:
    """Tell who runs the site why a visitor was refused: not SQLAlchemy's words, which quote the visitor's."""
    current_app.logger.error("%s: %s", what, getattr(error, "orig", error))


def _database_down(error: Exception) -> Response:
    if type(error) in DATABASE_DOWN:
        log_outage("database", error)
        detail = "The database does not answer. Please try again in a moment."
        return error_response(ServiceUnavailable(detail, retry_after=RETRY_SECONDS))
    raise error


def _disk_full(error: OSError) -> Response:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        log_outage("disk", error)
        return error_response(InsufficientStorage())
    raise error


def _choose_temporary_folder() -> None:
    """Have `tempfile` decide now: of a disk that is full by the first upload it says that there is none."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        tempfile.tempdir = os.environ.get("TMPDIR", "/tmp")  # noqa: S108  the first that tempfile tries


def init_app(app: Flask) -> None:
    """Register a handler for every error that a visitor can meet."""
    _choose_temporary_folder()
    app.register_error_handler(HTTPException, error_response)
    app.register_error_handler(DatabaseError, _database_down)
    app.register_error_handler(sqlite3.DatabaseError, _database_down)
    app.register_error_handler(OSError, _disk_full)
