"""What a request asks for: a form by GET and POST, a resource by GET, HEAD, PUT, DELETE and OPTIONS."""

from __future__ import annotations

import re

from flask import Response, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import escape
from sqlalchemy.exc import IntegrityError

from app.extensions import db
from app.guide.chapter import Chapter
from app.limits import trying
from app.models import Item

chapter = Chapter(
    "methods",
    __name__,
    title="HTTP methods",
    summary="A view says which methods it answers; each method has a meaning of its own.",
)

MAX_NAME = 100
MAX_KEY = 100
MAX_BODY = 10_000
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
AWKWARD_IN_PATH = re.compile(r"[/\\%]|^\.\.?$")  # servers differ in how they read these, even quoted


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page(limit=MAX_NAME)


@chapter.route("/login", methods=["GET", "POST"])
@trying
def login() -> ResponseReturnValue:
    """Send the visitor on to `success/<name>`, or to `success?nm=` where a path cannot carry the name."""
    values = request.form if request.method == "POST" else request.args
    name = values.get("nm", "").strip()
    if problem := _name_problem(name):
        flash(problem, "error")
        return chapter.page(limit=MAX_NAME), 400
    if AWKWARD_IN_PATH.search(name):
        return redirect(url_for(".success", nm=name))
    return redirect(url_for(".success", name=name))


def _name_problem(name: str) -> str | None:
    if not name:
        return "Please enter a name."
    if len(name) > MAX_NAME:
        return f"A name has at most {MAX_NAME} characters."
    if CONTROL.search(name):
        return "A name has no control characters."
    return None


@chapter.get("/success")
@chapter.get("/success/<name>")
def success(name: str | None = None) -> ResponseReturnValue:
    name = name or request.args.get("nm")
    if not name:
        return redirect(url_for(".page"))
    return f"welcome {escape(name)}"


@chapter.get("/item/<key>")
def read_item(key: str) -> ResponseReturnValue:
    """Answer GET, and by Flask HEAD; Flask answers OPTIONS too, and 405 to methods without a view."""
    item = db.session.get(Item, _checked(key))
    if item is None:
        abort(404, "There is no item of this key.")
    return Response(item.body, mimetype="text/plain")


@chapter.put("/item/<key>")
def replace_item(key: str) -> ResponseReturnValue:
    return "", 201 if _store(_checked(key), _text_body()) else 204


@chapter.delete("/item/<key>")
def delete_item(key: str) -> ResponseReturnValue:
    deleted = db.session.scalar(db.delete(Item).filter_by(key=_checked(key)).returning(Item.key))
    if deleted is None:
        abort(404, "There is no item of this key.")
    db.session.commit()
    return "", 204


def _checked(key: str) -> str:
    if len(key) > MAX_KEY:
        abort(414, f"A key has at most {MAX_KEY} characters.")
    if CONTROL.search(key):
        abort(400, "A key has no control characters.")
    return key


def _text_body() -> str:
    # A form's body is parsed, not kept: stored as it is, it would be empty.
    if request.mimetype and not request.mimetype.startswith("text/"):
        abort(415, "An item is text: send it as text/plain, in UTF-8.")
    try:
        text = request.get_data().decode()
    except UnicodeDecodeError:
        abort(400, "An item is text in UTF-8; these bytes are not.")
    if "\0" in text:
        abort(400, "An item is text without NUL characters.")
    if len(text) > MAX_BODY:
        abort(413, f"An item has at most {MAX_BODY} characters.")
    return text


def _store(key: str, body: str) -> bool:
    """Replace the item in one transaction that reads nothing first; return whether it is new."""
    while True:
        update = db.update(Item).filter_by(key=key).values(body=body).returning(Item.key)
        replaced = db.session.scalar(update) is not None
        try:
            if not replaced:
                db.session.execute(db.insert(Item).values(key=key, body=body))
            db.session.commit()
        except IntegrityError:  # another request made it between the two statements: now it can be replaced
            db.session.rollback()
        else:
            return not replaced
