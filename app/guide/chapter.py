"""What a chapter of the guide is: a blueprint with a page that shows its own source."""

from __future__ import annotations

import inspect
import os
import sys
from functools import cached_property
from typing import Any

from flask import Blueprint, current_app, make_response, render_template
from flask.wrappers import Response
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer


class Chapter(Blueprint):
    """A chapter: a module, a URL prefix and a page, all under one slug."""

    def __init__(self, slug: str, import_name: str, *, title: str, summary: str) -> None:
        super().__init__(slug.replace("-", "_"), import_name, url_prefix=f"/{slug}")
        self.slug = slug
        self.title = title
        self.summary = summary

    @cached_property
    def source(self) -> Markup:
        """The module of the chapter, highlighted; read from the module, so that it cannot drift."""
        code = inspect.getsource(sys.modules[self.import_name])
        return Markup(highlight(code, PythonLexer(), HtmlFormatter(cssclass="highlight")))  # noqa: S704

    def page(self, **context: Any) -> Response:
        """Render the chapter's page, `templates/guide/<slug>.html`."""
        return self.render(f"{self.slug}.html", **context)

    def render(self, template: str, **context: Any) -> Response:
        """Render `templates/guide/<template>` as a part of this chapter."""
        return make_response(render_template(f"guide/{template}", chapter=self, **context))


def served_by() -> dict[str, str | int]:
    """Return what answers this request: front end, transport, application server, process id."""
    settings = current_app.extensions["settings"]
    return {
        "front_end": settings.front_end,
        "transport": settings.transport,
        "server": settings.server,
        "pid": os.getpid(),
    }
