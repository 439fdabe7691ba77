"""Files that no view makes: scripts, styles and pictures below `/static/`."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from app.guide.chapter import Chapter

chapter = Chapter(
    "static-files",
    __name__,
    title="Static files",
    summary="A script from the static folder, named by url_for('static'), served by the front end.",
)


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page()
