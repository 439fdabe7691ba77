"""Views that only the tests need: what arrived at the application, and answers that take their time.

They are there where ``APP_TEST_VIEWS=true`` says so, and nowhere else: an echo tells a stranger too much.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from uuid import uuid4
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.utils import secure_filename

from app.extensions import csrf

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
PIECE_SECONDS = 0.1
WORD_SECONDS = 10

blueprint = Blueprint("testing", __name__, url_prefix="/test")
csrf.exempt(blueprint)


@blueprint.route("/echo", methods=METHODS, provide_automatic_options=False)
@blueprint.route("/echo/<path:_rest>", methods=METHODS, provide_automatic_options=False)
def echo(_rest: str = "") -> ResponseReturnValue:
    """Say what arrived; each string is the bytes of the WSGI environment, decoded as Latin-1."""
    environ = request.environ
    digest, length = sha256(), 0
    while piece := request.stream.read(65_536):
        digest.update(piece)
        length += len(piece)
    return jsonify(
        method=request.method,
        script_name=environ["SCRIPT_NAME"],
        path_info=environ["PATH_INFO"],
        query_string=environ["QUERY_STRING"],
        request_uri=environ.get("REQUEST_URI", environ.get("RAW_URI")),
        scheme=request.scheme,
        host=request.host,
        port=environ["SERVER_PORT"],
        client=request.remote_addr,
        protocol=environ["SERVER_PROTOCOL"],
        headers=[[name, value] for name, value in environ.items() if name.startswith(("HTTP_", "CONTENT_"))],
        body_length=length,
        body_sha256=digest.hexdigest(),
    )


@blueprint.get("/wait")
def wait() -> ResponseReturnValue:
    """Answer after ``?seconds=``, in which nothing is sent; name the process."""
    seconds = request.args.get("seconds", 1.0, float)
    with _running(_streams()):
        time.sleep(seconds)
    return jsonify(waited=seconds, process=os.getpid())


@blueprint.get("/fail")
def fail() -> ResponseReturnValue:
    """Fail as a view does that has a fault."""
    raise RuntimeError(request.args.get("text", "a fault"))


@blueprint.get("/stream")
def stream() -> ResponseReturnValue:
    """Send a line each 0.1 s (``?pause=``), for ``?seconds=``; each has ``?size=`` bytes, or what it takes.

    With ``?client=`` (a name) each waits for that client's word that it has the one before.
    """
    seconds, size = request.args.get("seconds", 1.0, float), request.args.get("size", 0, int)
    pause = request.args.get("pause", PIECE_SECONDS, float)
    folder, client = _streams(), request.args.get("client")
    words = folder / f"words-{secure_filename(client)}" if client else None
    return Response(_pieces(seconds, size, pause, folder, words), mimetype="text/plain")


@blueprint.post("/stream/<client>")
def arrived(client: str) -> ResponseReturnValue:
    """Take a client's word that the next line has arrived."""
    with (_streams() / f"words-{secure_filename(client)}").open("ab") as words:
        words.write(b".")
    return jsonify(arrived=True)


@blueprint.get("/streams")
def streams() -> ResponseReturnValue:
    """Count the streams and waits that any process is at, and say how long ago the last piece was made."""
    folder = _streams()
    running = [path for path in folder.glob("running-*") if Path(f"/proc/{path.name.split('-')[1]}").exists()]
    last = time.time() - folder.stat().st_mtime
    return jsonify(running=len(running), last=last)


def _pieces(seconds: float, size: int, pause: float, folder: Path, words: Path | None) -> Iterator[str]:
    with _running(folder):
        for number in range(round(seconds / PIECE_SECONDS)):
            os.utime(folder)
            yield f"{number}".ljust(size - 1) + "\n"
            if words:
                _wait_for(words, number + 1)
            else:
                time.sleep(pause)


def _wait_for(words: Path, number: int) -> None:
    """Return once so many words are there; raises `TimeoutError` after 10 s."""
    end = time.monotonic() + WORD_SECONDS
    while not words.exists() or words.stat().st_size < number:
        if time.monotonic() > end:
            raise TimeoutError(f"no word of piece {number}")
        time.sleep(0.005)


@contextmanager
def _running(folder: Path) -> Iterator[None]:
    """Have a file in `folder`, as long as the request is worked on."""
    running = folder / f"running-{os.getpid()}-{uuid4().hex}"
    running.touch()
    try:
        yield
    finally:
        running.unlink()


def _streams() -> Path:
    """Return the folder in memory where each running stream of any process has a file."""
    folder = Path(tempfile.gettempdir()) / "test-streams"
    folder.mkdir(exist_ok=True)
    return folder


@blueprint.route("/log", methods=METHODS, provide_automatic_options=False)
def log() -> ResponseReturnValue:
    """Write ``?message=`` to the application's log, once the body has arrived."""
    request.get_data()
    current_app.logger.warning("%s", request.args["message"])
    return jsonify(logged=True)


def _bare(_environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", "11")])
    return [b"Hello World"]


def _flask_alone(app: Flask) -> Flask:
    """Return an application that says hello, without what ours adds: extensions, headers, counts."""
    alone = Flask("alone", static_folder=None)
    alone.secret_key = app.secret_key
    alone.add_url_rule("/test/limits/flask", view_func=lambda: "Hello World", endpoint="hello")
    return alone


def _add_limits(app: Flask) -> None:
    """Answer two paths by what ours is measured against (bench/), in the same processes."""
    ours = app.wsgi_app
    limits: dict[str, WSGIApplication] = {"/test/limits/bare": _bare, "/test/limits/flask": _flask_alone(app)}

    def wsgi_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return limits.get(environ["PATH_INFO"], ours)(environ, start_response)

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]


def init_app(app: Flask) -> None:
    """Add the views."""
    _add_limits(app)
    app.register_blueprint(blueprint)
