"""Variable parts of an address, their converters, and what a slash at the end means."""

from __future__ import annotations

import math

from flask import abort
from flask.typing import ResponseReturnValue
from markupsafe import escape

from app.guide.chapter import Chapter

chapter = Chapter(
    "variables",
    __name__,
    title="Variable rules",
    summary="Parts of an address become arguments of the view, converted to text, int, float or path.",
)


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page()


@chapter.get("/hello/<name>")
def hello(name: str) -> ResponseReturnValue:
    return f"Hello {escape(name)}!"


@chapter.get("/blog/<int:postID>")
def show_blog(postID: int) -> ResponseReturnValue:  # noqa: N803  the guide's name, part of the rule
    return f"Blog Number {postID:d}"


@chapter.get("/rev/<float:revNo>")
def revision(revNo: float) -> ResponseReturnValue:  # noqa: N803  the guide's name, part of the rule
    if math.isinf(revNo):  # a few hundred digits make an infinite float
        abort(404)
    return f"Revision Number {revNo:f}"


@chapter.get("/path/<path:subpath>")
def show_path(subpath: str) -> ResponseReturnValue:
    return f"Path {escape(subpath)}"


@chapter.get("/flask")
def hello_flask() -> ResponseReturnValue:
    return "Hello Flask"


@chapter.get("/python/")
def hello_python() -> ResponseReturnValue:
    return "Hello Python"
