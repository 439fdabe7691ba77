"""Pages from Jinja templates: expressions, conditions, loops, comments and line statements."""

from __future__ import annotations

from flask import current_app
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from app.guide.chapter import Chapter

chapter = Chapter(
    "templates",
    __name__,
    title="Templates",
    summary="Jinja puts values into a page, escapes them, decides and repeats.",
)

SAMPLE = "guide/templates-sample.html"
MARKS = {"phy": 50, "che": 60, "maths": 70}


@chapter.record_once
def _allow_line_statements(state: BlueprintSetupState) -> None:
    """Choose two prefixes, which Jinja has none of by default, that no other template's text begins with."""
    state.app.jinja_env.line_statement_prefix = "%%"
    state.app.jinja_env.line_comment_prefix = "##"


@chapter.get("/")
def page() -> ResponseReturnValue:
    loader = current_app.jinja_env.loader
    assert loader  # noqa: S101  Flask always sets one
    text, _, _ = loader.get_source(current_app.jinja_env, SAMPLE)
    return chapter.page(sample=SAMPLE, sample_text=text, result=MARKS)


@chapter.get("/hello/<user>")
def hello(user: str) -> ResponseReturnValue:
    return chapter.render("templates-hello.html", name=user)


@chapter.get("/hello/<int:score>")
def grade(score: int) -> ResponseReturnValue:
    return chapter.render("templates-score.html", marks=score)


@chapter.get("/result")
def result() -> ResponseReturnValue:
    return chapter.render("templates-result.html", result=MARKS)
