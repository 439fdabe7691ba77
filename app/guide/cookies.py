"""A value that the browser keeps and sends back: setting it, reading it, and its attributes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import escape

from app.guide.chapter import Chapter

chapter = Chapter(
    "cookies",
    __name__,
    title="Cookies",
    summary="set_cookie() on the response, request.cookies on the way back, and what each attribute does.",
)

MAX_NAME = 100
LIFETIME = timedelta(hours=1)


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page(limit=MAX_NAME, attributes=_attributes())


@chapter.route("/setcookie", methods=["GET", "POST"])
def setcookie() -> ResponseReturnValue:
    if request.method == "GET":
        return redirect(url_for(".page"))
    user = request.form.get("nm", "").strip()
    if not 0 < len(user) <= MAX_NAME:
        flash(f"Please enter a user ID of 1 to {MAX_NAME} characters.", "error")
        return chapter.page(limit=MAX_NAME, attributes=_attributes()), 400
    attributes = _attributes()
    response = chapter.render("cookies-set.html", attributes=attributes)
    # A cookie's value is a part of ASCII only, and clients unquote the rest each in its own way.
    response.set_cookie("userID", quote(user, safe=""), **attributes)
    return response


@chapter.get("/getcookie")
def getcookie() -> ResponseReturnValue:
    if "userID" not in request.cookies:
        abort(404, "This request carried no cookie named userID. Set one on the page of the chapter first.")
    return f"welcome {escape(unquote(request.cookies['userID']))}"


def _attributes() -> dict[str, Any]:
    """Return what `set_cookie()` gets: the page shows the same values that the cookie has."""
    return {
        "expires": datetime.now(UTC) + LIFETIME,
        "path": url_for("guide.index"),
        "secure": request.is_secure,
        "httponly": True,
        "samesite": "Lax",
    }
