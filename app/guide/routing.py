"""Binding an address to a view: the decorator, and the call that it stands for."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from app.guide.chapter import Chapter

chapter = Chapter(
    "routing",
    __name__,
    title="Routing",
    summary="An address is bound to a view by the decorator route(), or by the call add_url_rule().",
)


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page()


@chapter.route("/hello")
def hello() -> ResponseReturnValue:
    return "hello world"


chapter.add_url_rule("/rule", "rule", hello)
