"""What the site remembers of a visitor between requests: a dictionary in a signed cookie."""

from __future__ import annotations

from flask import flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from app.guide.chapter import Chapter
from app.limits import trying

chapter = Chapter(
    "sessions",
    __name__,
    title="Sessions",
    summary="session is a dictionary that outlives the request, in a cookie that the app signs.",
)

MAX_NAME = 100


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page(limit=MAX_NAME)


@chapter.route("/login", methods=["GET", "POST"])
@trying
def login() -> ResponseReturnValue:
    if request.method == "GET":
        return chapter.page(limit=MAX_NAME)
    username = request.form.get("username", "").strip()
    if not 0 < len(username) <= MAX_NAME:
        flash(f"Please enter a user name of 1 to {MAX_NAME} characters.", "error")
        return chapter.page(limit=MAX_NAME), 400
    session["username"] = username
    return redirect(url_for(".page"))


@chapter.route("/logout", methods=["GET", "POST"])
def logout() -> ResponseReturnValue:
    """Log out by POST; a GET, which a link or a prefetching browser sends, changes nothing."""
    if request.method == "POST":
        session.pop("username", None)
    return redirect(url_for(".page"))
