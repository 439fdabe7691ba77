"""The smallest application: one view, one address."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from app.guide.chapter import Chapter

chapter = Chapter(
    "application",
    __name__,
    title="Application",
    summary="The smallest Flask application: a view function and the address that calls it.",
)


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page()


@chapter.get("/hello")
def hello() -> ResponseReturnValue:
    return "Hello World"
