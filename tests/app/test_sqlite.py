"""Chapter SQLite, in process."""

from __future__ import annotations

import re
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import database
from app.config import Settings

ANN = {"nm": "Ann", "add": "Hinjewadi", "city": "Pune", "pin": "411057"}


@pytest.fixture
def file(settings: Settings) -> Path:
    return settings.data_folder / "database.db"


def rows(file: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT name, addr, city, pin FROM students").fetchall()


def test_a_record_is_added(client: FlaskClient, file: Path) -> None:
    response = client.post("/sqlite/addrec", data=ANN)
    assert response.status_code == 200
    assert ">Record successfully added<" in response.text
    assert rows(file) == [("Ann", "Hinjewadi", "Pune", "411057")]


def test_values_are_data_not_sql(client: FlaskClient, file: Path) -> None:
    hostile = "'); DROP TABLE students; --"
    assert client.post("/sqlite/addrec", data=ANN | {"nm": hostile}).status_code == 200
    assert rows(file)[0][0] == hostile


@pytest.mark.parametrize(
    ("field", "column", "limit"),
    [("nm", "name", 100), ("add", "addr", 200), ("city", "city", 50), ("pin", "pin", 10)],
)
def test_a_column_takes_one_character_to_its_limit(
    client: FlaskClient, file: Path, field: str, column: str, limit: int
) -> None:
    for value in ("", "   ", "é" * (limit + 1), "a\0b"):
        response = client.post("/sqlite/addrec", data=ANN | {field: value})
        assert response.status_code == 400
        reason = f"the insert was rolled back: {column} must have 1 to {limit} characters."
        assert reason in response.text
        assert all(f'value="{ANN[other]}"' in response.text for other in ANN.keys() - {field})
    assert rows(file) == []
    assert client.post("/sqlite/addrec", data=ANN | {field: "é" * limit}).status_code == 200


def test_missing_fields_are_refused(client: FlaskClient, file: Path) -> None:
    assert client.post("/sqlite/addrec").status_code == 400
    assert rows(file) == []


def test_a_locked_database_is_503_and_the_form_is_kept(
    client: FlaskClient, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SQLITE_BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        response = client.post("/sqlite/addrec", data=ANN)
        other.execute("ROLLBACK")
    assert response.status_code == 503
    assert "the insert was rolled back: the database is locked" in response.text
    assert 'value="Hinjewadi"' in response.text
    assert rows(file) == []


def test_a_missing_table_is_503(client: FlaskClient, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE students")
    assert client.post("/sqlite/addrec", data=ANN).status_code == 503
    assert client.get("/sqlite/list").status_code == 503


def test_list_escapes(client: FlaskClient) -> None:
    client.post("/sqlite/addrec", data=ANN | {"nm": "<script>alert(1)</script>"})
    text = client.get("/sqlite/list").text
    assert "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td><td>Hinjewadi</td>" in text


def test_list_is_paged_newest_first(client: FlaskClient, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany(
            "INSERT INTO students (name, addr, city, pin) VALUES (?, 'a', 'c', '1')",
            [(f"student {n:03}",) for n in range(101)],
        )
    first, second, last = (client.get(f"/sqlite/list?page={page}").text for page in (1, 2, 3))
    assert first.count("<tr><td>") == 50
    assert first.index("student 100") < first.index("student 099")
    assert "?page=2" in first
    assert re.findall(r"\?page=\d", second) == ["?page=1", "?page=3"]
    assert re.findall(r"\?page=\d", last) == ["?page=2"]
    assert last.count("<tr><td>") == 1
    assert "student 000" in last


def test_list_reads_no_more_rows_than_it_shows(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def watched() -> sqlite3.Connection:
        connection = database.connect_sqlite()
        connection.set_trace_callback(asked.append)
        return connection

    monkeypatch.setattr("app.guide.sqlite.connect_sqlite", watched)
    client.get("/sqlite/list")
    assert asked
    assert all("LIMIT 51 OFFSET 0" in statement for statement in asked)


@pytest.mark.parametrize("page", ["0", "-1", "2", "x", "1.5", "", "²", "9" * 5000])
def test_a_page_that_is_not_there_is_404(client: FlaskClient, page: str) -> None:
    assert client.get("/sqlite/list", query_string={"page": page}).status_code == 404


def test_an_empty_list_is_a_page(client: FlaskClient) -> None:
    assert "No students yet." in client.get("/sqlite/list").text


def test_addrec_takes_post_alone(client: FlaskClient) -> None:
    assert client.get("/sqlite/addrec").status_code == 405


def test_writers_at_once_lose_no_row(app: Flask, file: Path) -> None:
    answers: list[int] = []

    def write() -> None:
        client = app.test_client()
        for _ in range(100):
            answers.append(client.post("/sqlite/addrec", data=ANN).status_code)

    threads = [threading.Thread(target=write) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 1600
    assert len(rows(file)) == 1600
