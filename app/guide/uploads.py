"""Files from visitors: named safely, stored whole, never over one another."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from flask import abort, current_app, flash, request, send_from_directory
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage
from werkzeug.utils import secure_filename

from app.guide.chapter import Chapter

chapter = Chapter(
    "uploads",
    __name__,
    title="File uploads",
    summary="A form of type multipart/form-data brings a file, which is stored under a safe name.",
)

MAX_NAME = 200  # characters; file systems end at 255 bytes, and a number may be added
SHOWN = 50


class Upload(NamedTuple):
    """A stored file, as the list shows it."""

    name: str
    size: int
    time: datetime


@chapter.get("/")
def page() -> ResponseReturnValue:
    uploads = stored_files(_folder())
    return chapter.page(uploads=uploads[:SHOWN], total=len(uploads))


@chapter.get("/upload")
def upload() -> ResponseReturnValue:
    return chapter.render("uploads-upload.html")


@chapter.post("/uploader")
def uploader() -> ResponseReturnValue:
    file = request.files.get("file")
    if file is None or not file.filename:
        problem = "Choose a file first."
    elif not secure_filename(file.filename):
        problem = f"Nothing in “{file.filename}” can be used as a file's name; rename the file."
    elif len(secure_filename(file.filename)) > MAX_NAME:
        problem = f"The file's name is longer than {MAX_NAME} characters; rename the file."
    else:
        store(file, _folder())
        return "file uploaded successfully"
    flash(problem, "error")
    return chapter.render("uploads-upload.html"), 400


@chapter.get("/files/<name>")
def download(name: str) -> ResponseReturnValue:
    if name != secure_filename(name):  # the hidden ones are uploads still under way
        abort(404)
    return send_from_directory(_folder(), name, as_attachment=True)


def store(file: FileStorage, folder: Path) -> str:
    """Store `file` under its secure name, or with the next free number; return that name.

    The content goes to a hidden file, which is then linked to its name: nobody meets a half file, none
    is left where the disk is full, and link() refuses a taken name even to two processes at once.
    """
    name = Path(secure_filename(file.filename or ""))
    candidate, number = name.name, 0
    with NamedTemporaryFile(dir=folder, prefix=".upload-") as part:
        file.save(part)
        part.flush()
        while True:
            try:
                os.link(part.name, folder / candidate)
            except FileExistsError:
                number += 1
                candidate = f"{name.stem}-{number}{name.suffix}"
            else:
                return candidate


def stored_files(folder: Path) -> list[Upload]:
    """List the stored files, newest first."""
    uploads = []
    for entry in os.scandir(folder):
        if not entry.name.startswith("."):
            status = entry.stat()
            time = datetime.fromtimestamp(status.st_mtime, UTC)
            uploads.append(Upload(entry.name, status.st_size, time))
    return sorted(uploads, key=lambda upload: upload.time, reverse=True)


def _folder() -> Path:
    return Path(current_app.config["UPLOAD_FOLDER"])
