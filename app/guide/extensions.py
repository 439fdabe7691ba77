"""The extensions of this application, as they are installed."""

from __future__ import annotations

from importlib.metadata import version

from flask import current_app
from flask.typing import ResponseReturnValue

from app.guide.chapter import Chapter

chapter = Chapter(
    "extensions",
    __name__,
    title="Extensions",
    summary="Packages that add to Flask what it leaves out: a database, mail, forms, Ajax.",
)

# By the key under which each stands in app.extensions: its package, what it adds, the chapter that uses it.
EXTENSIONS = {
    "sqlalchemy": (
        "Flask-SQLAlchemy",
        "A session of SQLAlchemy's ORM for each request, and paging.",
        "sqlalchemy",
    ),
    "migrate": ("Flask-Migrate", "Changes of the tables as versioned scripts, run by init-db.", "sqlalchemy"),
    "mail": ("Flask-Mail", "Messages with attachments, handed to an SMTP server.", "mail"),
    "csrf": ("Flask-WTF", "Forms as classes, and a token in each form against forged requests.", "wtf"),
    "sijax": ("Flask-Sijax", "Python functions that the page calls.", "sijax"),
}


@chapter.get("/")
def page() -> ResponseReturnValue:
    rows = [
        (package, version(package), adds, f"{endpoint}.page")
        for key, (package, adds, endpoint) in EXTENSIONS.items()
        if key in current_app.extensions
    ]
    return chapter.page(rows=rows, flask=version("flask"))
