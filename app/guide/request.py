"""What the client sent: form, query, cookies, files and method, and the connection as the app sees it."""

from __future__ import annotations

import os
from typing import Any

from flask import current_app, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage, MultiDict

from app.errors import wants_json
from app.guide.chapter import Chapter

chapter = Chapter(
    "request",
    __name__,
    title="Request object",
    summary="The global request holds all that the client sent, and what is known of the connection.",
)


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page()


@chapter.route("/result", methods=["GET", "POST"])
def result() -> ResponseReturnValue:
    if request.method == "GET":
        return redirect(url_for(".page"))
    return chapter.render("request-result.html", result=_fields(request.form))


@chapter.route("/inspect", methods=["GET", "POST"])
def inspect() -> ResponseReturnValue:
    """Show the request as a page, or as JSON where the client prefers that."""
    arrived = {
        "method": request.method,
        "args": _fields(request.args),
        "form": _fields(request.form),
        "cookies": _cookies(),
        "files": [_describe(field, file) for field, file in request.files.items(multi=True) if file.filename],
        "client": request.remote_addr,
        "scheme": request.scheme,
        "host": request.host,
        "url": url_for(".inspect", _external=True),
        "root": request.url_root,
        "script_name": request.script_root,
        "authorization": _authorization(),
    }
    response = jsonify(arrived) if wants_json() else chapter.render("request-inspect.html", arrived=arrived)
    response.vary.add("Accept")
    return response


def _fields(values: MultiDict[str, str]) -> dict[str, list[str]]:
    """Return all values of each field; the token is the site's, not the visitor's."""
    return {name: values.getlist(name) for name in values if name != "csrf_token"}


def _cookies() -> dict[str, str]:
    """Return the cookies; the session's value is kept from scripts, so no page may repeat it."""
    hidden = current_app.config["SESSION_COOKIE_NAME"]
    return {name: "(not shown)" if name == hidden else value for name, value in request.cookies.items()}


def _authorization() -> str | None:
    """Return the scheme of the credentials, or None where there are none, or they are malformed."""
    try:
        return request.authorization.type if request.authorization else None
    except ValueError:  # Werkzeug 3.1's, of bytes that are not ASCII
        return None


def _describe(field: str, file: FileStorage) -> dict[str, Any]:
    size = file.stream.seek(0, os.SEEK_END)
    return {"field": field, "name": file.filename, "type": file.mimetype, "size": size}
