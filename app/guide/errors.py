"""Ending a request early: redirect() with each of its codes, abort() with the site's error pages."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import WWWAuthenticate

from app.guide.chapter import Chapter
from app.limits import trying

chapter = Chapter(
    "errors",
    __name__,
    title="Redirects & errors",
    summary="redirect() sends the visitor elsewhere; abort() ends the request with an error page.",
)

REDIRECTS = (301, 302, 303, 305, 307, 308)
# A 401 names a way to log in. No browser opens a dialog for this one: the form is the way.
CHALLENGE = WWWAuthenticate("form", {"realm": "Errors chapter"})
ABORTS: dict[int, dict[str, Any]] = {
    400: {},
    401: {"www_authenticate": CHALLENGE},
    403: {},
    404: {},
    406: {},
    415: {},
    429: {"retry_after": 60},
}


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page(aborts=ABORTS, redirects=REDIRECTS)


@chapter.route("/login", methods=["GET", "POST"])
@trying
def login() -> ResponseReturnValue:
    if request.method == "GET":
        return redirect(url_for(".page"))
    if request.form.get("username") != "admin":
        abort(401, "Only the user admin may log in here.", www_authenticate=CHALLENGE)
    return redirect(url_for(".success"))


@chapter.get("/success")
def success() -> ResponseReturnValue:
    return "logged in successfully"


@chapter.get("/abort/<int:code>")
def abort_with(code: int) -> ResponseReturnValue:
    abort(code if code in ABORTS else 404, **ABORTS.get(code, {}))


@chapter.get("/redirect/<int:code>")
def redirect_with(code: int) -> ResponseReturnValue:
    """Redirect to the chapter's page; 300 offers a choice instead, 304 has neither body nor Location."""
    if code == 300:
        return chapter.render("errors-choices.html"), 300
    if code == 304:
        return Response(status=304)
    if code not in REDIRECTS:
        abort(404)
    return redirect(url_for(".page"), code)
