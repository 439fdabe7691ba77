"""The chapters of the guide, in order: index, navigation, docs and tests read this list."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from flask import Blueprint, Flask, Response, redirect, render_template, send_from_directory, url_for
from flask import request as current_request
from flask.typing import ResponseReturnValue
from pygments.formatters import HtmlFormatter

from app.guide import (
    application,
    cookies,
    deployment,
    errors,
    extensions,
    flashing,
    mail,
    methods,
    request,
    routing,
    sessions,
    sijax,
    sqlalchemy,
    sqlite,
    static_files,
    templates,
    uploads,
    urls,
    variables,
    wtf,
)
from app.guide.chapter import Chapter, served_by

CHAPTERS: tuple[Chapter, ...] = (
    application.chapter,
    routing.chapter,
    variables.chapter,
    urls.chapter,
    methods.chapter,
    templates.chapter,
    static_files.chapter,
    request.chapter,
    cookies.chapter,
    sessions.chapter,
    errors.chapter,
    flashing.chapter,
    uploads.chapter,
    mail.chapter,
    wtf.chapter,
    sqlite.chapter,
    sqlalchemy.chapter,
    sijax.chapter,
    extensions.chapter,
    deployment.chapter,
)

blueprint = Blueprint("guide", __name__)


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """List all chapters."""
    return render_template("index.html")


@blueprint.get("/favicon.ico")
def favicon() -> ResponseReturnValue:
    """Send a browser on that shows a page of bare text, and looks for the icon here."""
    return redirect(url_for("static", filename="icon.svg"))


@blueprint.get("/highlight.css")
def highlight_css() -> Response:
    """Give the colours of highlighted source, light and dark."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    response = Response(f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n", mimetype="text/css")
    response.cache_control.max_age = 3600
    return response


AFTER: dict[Chapter, Chapter] = dict(pairwise(CHAPTERS))
BEFORE = {after: before for before, after in AFTER.items()}


def _neighbours(chapter: Chapter) -> tuple[Chapter | None, Chapter | None]:
    return BEFORE.get(chapter), AFTER.get(chapter)


@lru_cache(maxsize=8)
def _addresses(_root: str) -> dict[Chapter, str]:
    return {chapter: url_for(f"{chapter.name}.page") for chapter in CHAPTERS}


def address(chapter: Chapter) -> str:
    """Return the path of a chapter's page: every page links all, which took it a third of its time."""
    return _addresses(current_request.script_root)[chapter]


def init_app(app: Flask) -> None:
    """Register the index and every chapter."""
    app.jinja_env.globals.update(
        chapters=CHAPTERS, address=address, served_by=served_by, neighbours=_neighbours
    )
    app.register_blueprint(blueprint)
    for chapter in CHAPTERS:
        app.register_blueprint(chapter)
    vendor = app.extensions["settings"].vendor_folder
    if vendor:
        app.add_url_rule(
            "/static/vendor/<path:filename>",
            view_func=lambda filename: send_from_directory(vendor, filename),
            endpoint="vendor",
        )
