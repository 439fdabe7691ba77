"""An application of its own for each test, in process: no Docker, no server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings
from app.database import init_db


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        secret_key="a secret of the tests, long enough for the check",
        data_folder=tmp_path,
        upload_folder=tmp_path / "uploads",
        database_url=f"sqlite:///{tmp_path / 'students.sqlite3'}",
        front_end="none",
        transport="in process",
        server="test client",
    )


@pytest.fixture
def app(settings: Settings) -> Flask:
    app = create_app(settings)
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    with app.app_context():
        init_db()
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return the socket on which systemd is told (Type=notify)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening
