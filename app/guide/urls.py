"""Addresses made from the names of views, so that a changed rule changes every link."""

from __future__ import annotations

from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from markupsafe import escape

from app.guide.chapter import Chapter

chapter = Chapter(
    "urls",
    __name__,
    title="URL building",
    summary="url_for() makes the address of a view from its name and its arguments.",
)


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page()


@chapter.get("/admin")
def hello_admin() -> ResponseReturnValue:
    return "Hello Admin"


@chapter.get("/guest/<guest>")
def hello_guest(guest: str) -> ResponseReturnValue:
    return f"Hello {escape(guest)} as Guest"


@chapter.get("/user/<name>")
def hello_user(name: str) -> ResponseReturnValue:
    if name == "admin":
        return redirect(url_for(".hello_admin"))
    return redirect(url_for(".hello_guest", guest=name))
