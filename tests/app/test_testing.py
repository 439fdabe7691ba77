"""app/testing.py: absent unless switched on; then it tells what arrived."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app, testing
from app.config import Settings


@pytest.fixture
def client(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return create_app(replace(settings, test_views=True)).test_client()


@pytest.mark.parametrize(
    "path", ["echo", "wait", "stream", "streams", "log", "fail", "limits/bare", "limits/flask"]
)
def test_the_views_are_absent_unless_switched_on(settings: Settings, path: str) -> None:
    assert create_app(settings).test_client().get(f"/test/{path}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_echo_tells_what_arrived(client: FlaskClient, method: str) -> None:
    body = b"\x00\xff" * 50_000
    arrived = client.open("/test/echo/%C3%A4//x?q=%00", method=method, data=body, headers={"X-A": "b"}).json
    assert arrived
    assert (arrived["method"], arrived["query_string"]) == (method, "q=%00")
    assert arrived["path_info"] == "/test/echo/ä//x".encode().decode("latin-1")
    assert ["HTTP_X_A", "b"] in arrived["headers"]
    assert (arrived["body_length"], arrived["body_sha256"]) == (100_000, sha256(body).hexdigest())


@pytest.mark.parametrize("limit", ["bare", "flask"])
def test_limits_of_the_benchmarks_have_nothing_of_ours(client: FlaskClient, limit: str) -> None:
    answer = client.get(f"/test/limits/{limit}")
    assert (answer.status_code, answer.text) == (200, "Hello World")
    assert set(answer.headers.keys()) == {"Content-Type", "Content-Length"}
    assert "/test/limits" not in client.get("/metrics").text


def test_wait_waits(client: FlaskClient) -> None:
    assert client.get("/test/wait?seconds=0.01").json == {"waited": 0.01, "process": os.getpid()}


def test_streams_are_counted_while_they_run(client: FlaskClient) -> None:
    with client.get("/test/stream?seconds=60", buffered=False) as response:
        assert next(response.iter_encoded()) == b"0\n"
        running = client.get("/test/streams").json
        assert running
        assert running["running"] == 1
        assert 0 <= running["last"] < 1
    ended = client.get("/test/streams").json
    assert ended
    assert ended["running"] == 0


def test_stream_waits_for_its_clients_word(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "WORD_SECONDS", 0.05)
    with client.get("/test/stream?seconds=1&client=one", buffered=False) as response:
        lines = response.iter_encoded()
        for number in range(3):
            assert next(lines) == f"{number}\n".encode()
            assert client.post("/test/stream/one").json == {"arrived": True}
        assert next(lines) == b"3\n"
        with pytest.raises(TimeoutError, match="no word of piece 4"):
            next(lines)
