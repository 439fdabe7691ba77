"""Sijax: Python functions that the page calls, and that change the page."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from flask import abort, g, request
from flask.typing import ResponseReturnValue
from flask.wrappers import Response
from markupsafe import Markup, escape
from werkzeug.datastructures import FileStorage, MultiDict

from app import headers
from app.guide.chapter import Chapter
from app.sijax import route

chapter = Chapter(
    "sijax",
    __name__,
    title="Sijax",
    summary="Ajax from Python: the page calls a function of the server, whose answer changes the page.",
)

STEPS = 5
STEP_SECONDS = 0.3
MAX_MESSAGE = 200

# The style attributes that sijax_comet.js and sijax_upload.js give to their frames.
FRAME_STYLES = ("display: none;", "display: none")


def say_hi(obj_response: Any) -> None:
    obj_response.alert("Hi there!")


def add_message(obj_response: Any, text: object) -> None:
    if not isinstance(text, str) or len(text) > MAX_MESSAGE:
        abort(400, f"A message is a text of up to {MAX_MESSAGE} characters.")
    if text.strip():
        obj_response.html_append("#messages", Markup("<li>{}</li>").format(text))
        obj_response.attr("#message", "value", "")


def count(obj_response: Any) -> Iterator[None]:
    for step in range(STEPS + 1):
        if step:
            time.sleep(STEP_SECONDS)  # the work, of which the page shows the progress
        obj_response.attr("#progress", "value", step)
        obj_response.html("#step", f"Step {step} of {STEPS}")
        yield


def receive(obj_response: Any, files: MultiDict[str, FileStorage], _form: dict[str, str]) -> None:
    file = files.get("file")
    if file is None or not file.filename:
        obj_response.html("#received", "Choose a file first.")
        return
    content = file.read()
    digest = sha256(content).hexdigest()
    obj_response.html("#received", f"{escape(file.filename)}: {len(content)} bytes, SHA-256 {digest}")


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page()


@route(chapter, "/hello")
def hello() -> ResponseReturnValue:
    g.sijax.register_callback("say_hi", say_hi)
    g.sijax.register_callback("add_message", add_message)
    g.sijax.register_comet_callback("count", count)
    prepare_upload = g.sijax.register_upload_callback("upload", receive)
    if g.sijax.is_sijax_request:
        response: Response = g.sijax.process_request()
        if response.is_streamed:  # it is read by a frame of the page
            policy = f"default-src 'none'; script-src 'nonce-{headers.csp_nonce()}'; frame-ancestors 'self'"
            response.headers["Content-Security-Policy"] = policy
        return response
    if request.method == "POST":
        abort(400, "This is not a request of Sijax.")
    response = chapter.render(
        "sijax-hello.html", steps=STEPS, max_message=MAX_MESSAGE, prepare_upload=prepare_upload
    )
    hashes = " ".join(f"'sha256-{b64encode(sha256(s.encode()).digest()).decode()}'" for s in FRAME_STYLES)
    response.headers["Content-Security-Policy"] = (
        f"{headers.policy()}; style-src-attr 'unsafe-hashes' {hashes}"
    )
    return response
