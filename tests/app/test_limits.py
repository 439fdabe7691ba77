"""app/limits.py: ten tries a minute, for each client and each view, counted across processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.limits import Counts

VIEWS = ["/sessions/login", "/errors/login", "/flashing/login", "/methods/login"]
VIEWS += ["/mail/send", "/mail/bulk", "/mail/note"]
TRIES = 10
COUNT = """
import sys
from app.limits import Counts
counts = Counts(sys.argv[1])
print(*(counts.add("key")[0] for _ in range(50)))
"""


@pytest.mark.parametrize("view", VIEWS)
def test_the_eleventh_try_is_told_when_to_come_back(client: FlaskClient, view: str) -> None:
    assert {client.post(view).status_code for _ in range(TRIES)} <= {200, 302, 400, 401}
    refused = client.post(view)
    assert refused.status_code == 429
    assert 50 <= int(refused.headers["Retry-After"]) <= 60
    assert "You have tried this too often." in refused.text
    data = client.post(view, headers={"Accept": "application/json"}).json
    assert data
    assert data["status"] == 429


def test_a_window_ends(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(TRIES + 1):
        refused = client.post("/sessions/login")
    later = time.time() + int(refused.headers["Retry-After"])
    monkeypatch.setattr(time, "time", lambda: later)
    assert client.post("/sessions/login").status_code == 400


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ],
)
def test_each_client_has_tries_of_its_own(client: FlaskClient, one: str, other: str, together: bool) -> None:
    """A subscriber of IPv6 has a whole network of addresses: it is one client."""
    for _ in range(TRIES):
        client.post("/sessions/login", environ_base={"REMOTE_ADDR": one})
    answer = client.post("/sessions/login", environ_base={"REMOTE_ADDR": other})
    assert answer.status_code == (429 if together else 400)


def test_each_view_is_counted_by_itself_and_reading_is_not(client: FlaskClient) -> None:
    for _ in range(TRIES):
        client.post("/sessions/login")
    assert client.get("/sessions/login").status_code == 200
    assert client.post("/errors/login").status_code == 401


def test_a_form_without_its_token_is_no_try(app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    client = app.test_client()
    assert [client.post("/sessions/login").status_code for _ in range(TRIES + 5)] == [400] * (TRIES + 5)


def test_threads_count_together(app: Flask) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: app.test_client().post("/errors/login").status_code, range(40)))
    assert answers.count(429) == 30


def test_processes_count_together(tmp_path: Path) -> None:
    """No count is given twice, and none is lost."""
    command = [sys.executable, "-c", COUNT, str(tmp_path / "limits.sqlite3")]
    with ThreadPoolExecutor(4) as pool:
        outputs = pool.map(lambda _: subprocess.check_output(command, timeout=60), range(4))
        counts = sorted(int(word) for output in outputs for word in output.split())
    assert counts == list(range(1, 201))


def test_what_counts_no_more_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each address that ever came would take room for good."""
    counts = Counts(tmp_path / "limits.sqlite3")
    for number in range(5):
        counts.add(f"client {number}")
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    counts.add("another")
    with closing(sqlite3.connect(tmp_path / "limits.sqlite3")) as connection:
        assert connection.execute("SELECT key FROM counts").fetchall() == [("another",)]


def test_nobody_is_told_to_wait_longer_than_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first try may be another's, that came while this one waited for its turn at the file."""
    counts = Counts(tmp_path / "limits.sqlite3")
    clock = iter(
        [1000.0, 1005.0, 1005.0, 1006.0]
    )  # this one's beginning; the other's, and its end; this one's
    monkeypatch.setattr(time, "time", lambda: next(clock))
    connect = counts._connect

    def after_another() -> sqlite3.Connection:
        monkeypatch.setattr(counts, "_connect", connect)
        counts.add("key")
        return connect()

    monkeypatch.setattr(counts, "_connect", after_another)
    assert counts.add("key") == (2, 59.0)
