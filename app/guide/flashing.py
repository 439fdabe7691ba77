"""A message for the next page: flash() keeps it in the session, a template takes it out."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from app.guide.chapter import Chapter
from app.limits import trying

chapter = Chapter(
    "flashing",
    __name__,
    title="Message flashing",
    summary="flash() leaves a message, with a category, for the next page that the visitor sees.",
)

CATEGORIES = ("error", "info", "warning")
MAX_MESSAGE = 200


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page(categories=CATEGORIES, limit=MAX_MESSAGE)


@chapter.route("/login", methods=["GET", "POST"])
@trying
def login() -> ResponseReturnValue:
    error = None
    if request.method == "POST":
        if (request.form.get("username"), request.form.get("password")) == ("admin", "admin"):
            flash("You were successfully logged in", "info")
            return redirect(url_for(".page"))
        error = "Invalid username or password. Please try again!"
    return chapter.render("flashing-login.html", error=error, username=request.form.get("username", ""))


@chapter.post("/message")
def message() -> ResponseReturnValue:
    """Flash what the form holds, for the page to show by category."""
    text = request.form.get("message", "").strip()
    category = request.form.get("category", "")
    if category not in CATEGORIES or not 0 < len(text) <= MAX_MESSAGE:
        flash(f"Please choose a category, and enter a message of 1 to {MAX_MESSAGE} characters.", "error")
        return chapter.page(categories=CATEGORIES, limit=MAX_MESSAGE), 400
    flash(text, category)
    return redirect(url_for(".page"))
