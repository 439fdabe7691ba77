"""Chapter HTTP methods, in process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, event

from app.extensions import db

ITEM = "/methods/item/key"


@pytest.mark.parametrize("name", ["mvl", "a/b", "..", "//x", "\\", "%2F", "?a=b#c", "Zoë 👩‍🚀"])
def test_every_name_survives_the_redirect(client: FlaskClient, name: str) -> None:
    response = client.post("/methods/login", data={"nm": name}, follow_redirects=True)
    assert response.text == f"welcome {name}"


@pytest.mark.parametrize("name", ["a/b", "..", ".", "\\", "%"])
def test_what_servers_read_differently_stays_out_of_the_path(client: FlaskClient, name: str) -> None:
    location = client.get("/methods/login", query_string={"nm": name}).headers["Location"]
    assert location.startswith("/methods/success?nm=")


def test_success_without_a_name_leads_to_the_page(client: FlaskClient) -> None:
    assert client.get("/methods/success").headers["Location"] == "/methods/"


def test_put_of_many_threads_makes_one_item(app: Flask) -> None:
    def put(number: int) -> int:
        return app.test_client().put(ITEM, data=f"body {number}").status_code

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(put, range(16))) == [201] + [204] * 15


@pytest.fixture
def rival(app: Flask) -> Iterator[list[str]]:
    """Let another request make the item just before the first INSERT of this one."""
    inserted: list[str] = []

    def before(_connection: Connection, cursor: sqlite3.Cursor, statement: str, *_rest: object) -> None:
        if statement.startswith("INSERT INTO items") and not inserted:
            inserted.append(statement)
            cursor.connection.execute("INSERT INTO items (key, body) VALUES ('key', 'rival')")
            cursor.connection.commit()

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", before)
    yield inserted
    event.remove(engine, "before_cursor_execute", before)


def test_put_that_meets_a_rival_replaces_his_item(client: FlaskClient, rival: list[str]) -> None:
    """On a database with concurrent writers another INSERT can stand between our UPDATE and our INSERT."""
    assert client.put(ITEM, data="ours").status_code == 204
    assert len(rival) == 1
    assert client.get(ITEM).text == "ours"


@pytest.mark.parametrize("content_type", [None, "text/plain", "text/plain; charset=utf-8", "text/markdown"])
def test_text_is_stored_as_it_is(client: FlaskClient, content_type: str | None) -> None:
    text = "a=b&c \r\n é \ufeff"
    assert client.put(ITEM, data=text.encode(), content_type=content_type).status_code == 201
    assert client.get(ITEM).get_data(as_text=True) == text


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"\xff", "text/plain", 400),
        (b"\0", "text/plain", 400),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"{}", "application/json", 415),
        ("é".encode() * 10_001, "text/plain", 413),
        (b"a" * (10 * 1024 * 1024 + 1), "text/plain", 413),
    ],
)
def test_what_is_no_short_text_is_refused(
    client: FlaskClient, body: bytes, content_type: str, status: int
) -> None:
    assert client.put(ITEM, data=body, content_type=content_type).status_code == status
    assert client.get(ITEM).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_key_is_short_and_printable(client: FlaskClient, method: str) -> None:
    assert client.open(f"/methods/item/{'k' * 101}", method=method).status_code == 414
    assert client.open("/methods/item/a%00b", method=method).status_code == 400


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\0b", "a\nb"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_is_none_is_asked_for_again(client: FlaskClient, method: str, name: str) -> None:
    fields = {"nm": name}
    by_get, by_post = (fields, None) if method == "GET" else (None, fields)
    answer = client.open("/methods/login", method=method, query_string=by_get, data=by_post)
    assert answer.status_code == 400
