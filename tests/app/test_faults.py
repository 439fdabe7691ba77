"""A database that is locked, a disk that is full: refused within a time, and nothing half-written."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app, database, extensions
from app.config import Settings
from app.extensions import db

BUSY_SECONDS = 0.3
ROW = {"nm": "Ann", "name": "Ann", "add": "Hill Road", "addr": "Hill Road", "city": "Pune", "pin": "1"}
FILES = {"students.sqlite3": "/sqlalchemy/new", "database.db": "/sqlite/addrec"}


@pytest.fixture
def app(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setattr(extensions, "SQLITE_BUSY_SECONDS", BUSY_SECONDS)
    monkeypatch.setattr(database, "SQLITE_BUSY_SECONDS", BUSY_SECONDS)
    monkeypatch.setattr(database, "READY_SECONDS", BUSY_SECONDS)
    with app.app_context():
        db.engine.dispose()
    return app


@pytest.fixture(params=FILES)
def locked(request: pytest.FixtureRequest, settings: Settings, app: Flask) -> Iterator[str]:  # noqa: ARG001
    """Hold the write lock of one file; return the address that writes to it."""
    file = settings.data_folder / request.param
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield FILES[request.param]
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM students").fetchone() == (0,)


def test_a_write_is_503_within_the_busy_time_and_logged(
    client: FlaskClient, locked: str, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    response = client.post(locked, data=ROW)
    assert time.monotonic() - began < BUSY_SECONDS + 2
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    # Why, and nothing of what the visitor wrote.
    assert caplog.messages == ["database: database is locked"]


@pytest.mark.usefixtures("locked")
def test_a_locked_database_is_not_ready_and_the_process_healthy(client: FlaskClient) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json == {
        "status": "unavailable",
        "detail": "The database is locked by something that does not finish.",
    }
    assert client.get("/healthz").status_code == 200


def test_once_the_lock_is_gone_it_serves_again(client: FlaskClient, settings: Settings) -> None:
    for file, page in FILES.items():
        with closing(sqlite3.connect(settings.data_folder / file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert client.post(page, data=ROW).status_code == 503
        assert client.post(page, data=ROW).status_code in {200, 302}
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("file", "detail"),
    [
        ("database.db", "The database cannot be written (unable to open database file)."),
        ("students.sqlite3", "The database does not answer, or init-db has not run."),
    ],
)
def test_a_file_that_is_gone_is_not_ready(
    client: FlaskClient, settings: Settings, file: str, detail: str
) -> None:
    """A probe makes no file: an empty one would look like a database."""
    with client.application.app_context():
        db.engine.dispose()
    for path in settings.data_folder.glob(f"{file}*"):
        path.unlink()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json == {"status": "unavailable", "detail": detail}


# Werkzeug leaves a part that it could not finish to the garbage collector.
@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
@pytest.mark.parametrize("size", [1_000_000, 5_000_000])
def test_no_room_for_a_body_that_arrives_is_507_and_logged(
    client: FlaskClient,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    size: int,
) -> None:
    """Werkzeug keeps a large file in a temporary one, before any view runs; /dev/full is a full disk."""

    def full(**_options: object) -> BinaryIO:
        return Path("/dev/full").open("w+b", buffering=0)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
    body = head + bytes(size) + b"\r\n--x--\r\n"
    response = client.post("/uploads/uploader", data=body, content_type="multipart/form-data; boundary=x")
    assert response.status_code == 507
    assert caplog.messages == ["disk: [Errno 28] No space left on device"]
    assert list(settings.upload_folder.iterdir()) == []


@pytest.mark.parametrize("full", [False, True], ids=["room at the start", "full from the start"])
def test_folder_for_temporary_files_is_known_before_the_disk_is_full(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """Of a full disk tempfile says that there is no such folder: an upload would be 500, not 507."""
    monkeypatch.setattr(tempfile, "tempdir", None)

    def none() -> str:
        raise FileNotFoundError

    with monkeypatch.context() as patch:
        if full:
            patch.setattr(tempfile, "_get_default_tempdir", none)
        create_app(settings)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", none)
    assert Path(tempfile.gettempdir()).is_dir()
