"""Chapter SQLAlchemy, in process."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.extensions import db
from app.models import Student

ANN = {"name": "Ann", "city": "Pune", "addr": "Hinjewadi", "pin": "411057"}


def students(app: Flask) -> list[dict[str, str]]:
    with app.app_context():
        return [
            {"name": row.name, "city": row.city, "addr": row.addr, "pin": row.pin}
            for row in db.session.scalars(db.select(Student).order_by(Student.id))
        ]


def student_id(app: Flask, name: str) -> int:
    with app.app_context():
        return int(db.session.scalars(db.select(Student.id).filter_by(name=name)).one())


def test_new_student_is_stored_and_said_on_the_list(app: Flask, client: FlaskClient) -> None:
    response = client.post("/sqlalchemy/new", data=ANN)
    assert (response.status_code, response.location) == (302, "/sqlalchemy/")
    assert students(app) == [ANN]
    page = client.get("/sqlalchemy/").text
    assert ">Record was successfully added<" in page
    assert "<td>Ann</td><td>Pune</td><td>Hinjewadi</td><td>411057</td>" in page
    assert ">Record was successfully added<" not in client.get("/sqlalchemy/").text


@pytest.mark.parametrize("field", ["name", "city", "addr", "pin"])
@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_field_stores_nothing_and_keeps_the_others(
    app: Flask, client: FlaskClient, field: str, value: str
) -> None:
    response = client.post("/sqlalchemy/new", data=ANN | {field: value})
    assert response.status_code == 400
    assert ">Please enter all the fields<" in response.text
    for other in ANN.keys() - {field}:
        assert f'value="{ANN[other]}"' in response.text
    assert students(app) == []


def test_missing_fields_are_asked_for(client: FlaskClient) -> None:
    response = client.post("/sqlalchemy/new")
    assert response.status_code == 400
    assert ">Please enter all the fields<" in response.text


@pytest.mark.parametrize(("field", "limit"), [("name", 100), ("city", 50), ("addr", 200), ("pin", 10)])
def test_a_field_takes_its_column_s_length_and_no_more(
    app: Flask, client: FlaskClient, field: str, limit: int
) -> None:
    response = client.post("/sqlalchemy/new", data=ANN | {field: "é" * (limit + 1)})
    assert response.status_code == 400
    assert f"The field {field} takes {limit} characters; yours has {limit + 1}." in response.text
    assert client.post("/sqlalchemy/new", data=ANN | {field: "é" * limit}).status_code == 302
    assert [row[field] for row in students(app)] == ["é" * limit]


def test_a_nul_character_is_refused(app: Flask, client: FlaskClient) -> None:
    assert client.post("/sqlalchemy/new", data=ANN | {"name": "A\0nn"}).status_code == 400
    assert students(app) == []
    assert client.get("/sqlalchemy/?city=%00").status_code == 404


def test_markup_in_a_name_is_shown_as_text(client: FlaskClient) -> None:
    client.post("/sqlalchemy/new", data=ANN | {"name": "<script>alert(1)</script>"})
    page = client.get("/sqlalchemy/").text
    assert "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>" in page


def test_city_filters(client: FlaskClient) -> None:
    client.post("/sqlalchemy/new", data=ANN)
    client.post("/sqlalchemy/new", data=ANN | {"name": "Bob", "city": "Nanded"})
    page = client.get("/sqlalchemy/?city=Nanded").text
    assert "<td>Bob</td>" in page
    assert "<td>Ann</td>" not in page
    assert "<td>" not in client.get("/sqlalchemy/?city=' OR 1=1 --").text


def test_edit_shows_the_row_and_replaces_it(app: Flask, client: FlaskClient) -> None:
    client.post("/sqlalchemy/new", data=ANN)
    url = f"/sqlalchemy/{student_id(app, 'Ann')}/edit"
    form = client.get(url).text
    assert all(f'value="{value}"' in form for value in ANN.values())
    assert client.post(url, data=ANN | {"city": "Mumbai"}).status_code == 302
    assert students(app) == [ANN | {"city": "Mumbai"}]


def test_a_bad_edit_leaves_the_row(app: Flask, client: FlaskClient) -> None:
    client.post("/sqlalchemy/new", data=ANN)
    response = client.post(f"/sqlalchemy/{student_id(app, 'Ann')}/edit", data=ANN | {"city": ""})
    assert response.status_code == 400
    assert ">Please enter all the fields<" in response.text
    assert students(app) == [ANN]


def test_delete_removes_one_row_once(app: Flask, client: FlaskClient) -> None:
    client.post("/sqlalchemy/new", data=ANN)
    client.post("/sqlalchemy/new", data=ANN | {"name": "Bob"})
    url = f"/sqlalchemy/{student_id(app, 'Ann')}/delete"
    assert client.get(url).status_code == 405
    assert client.post(url).status_code == 302
    assert [row["name"] for row in students(app)] == ["Bob"]
    assert client.post(url).status_code == 404


@pytest.mark.parametrize("student", ["999999", "2147483648", "9" * 30, "abc", "-1"])
@pytest.mark.parametrize("action", ["edit", "delete"])
def test_a_student_that_is_not_there_is_404(client: FlaskClient, student: str, action: str) -> None:
    assert client.post(f"/sqlalchemy/{student}/{action}", data=ANN).status_code == 404


def test_a_row_deleted_during_its_edit_is_404(app: Flask, client: FlaskClient) -> None:
    client.post("/sqlalchemy/new", data=ANN)
    number = student_id(app, "Ann")

    def delete_between(*_args: object) -> None:
        with db.engine.begin() as other:
            other.execute(text("DELETE FROM students"))

    with app.app_context():
        db.event.listen(db.session, "before_flush", delete_between)
    try:
        response = client.post(f"/sqlalchemy/{number}/edit", data=ANN | {"city": "Mumbai"})
    finally:
        with app.app_context():
            db.event.remove(db.session, "before_flush", delete_between)
    assert response.status_code == 404


def test_the_list_is_paged_newest_first(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        db.session.add_all(Student(**ANN | {"name": f"student {n:03}"}) for n in range(101))
        db.session.commit()
    first, last = client.get("/sqlalchemy/").text, client.get("/sqlalchemy/?page=3").text
    assert first.count("<tr>") == 51
    assert first.index("student 100") < first.index("student 099")
    assert "<td>student 000</td>" in last
    assert last.count("<tr>") == 2
    assert "?page=2" in first
    city = client.get("/sqlalchemy/?city=Pune&page=2").text
    assert "page=3&amp;city=Pune" in city


@pytest.mark.parametrize("page", ["0", "-1", "4", "abc", "9" * 30])
def test_a_page_that_is_not_there_is_404(client: FlaskClient, page: str) -> None:
    assert client.get(f"/sqlalchemy/?page={page}").status_code == 404


def test_writers_at_once_lose_no_row(app: Flask) -> None:
    """A 302 promises a row; 16 writers on one SQLite file must wait for each other."""
    answers: list[int] = []

    def write(writer: int) -> None:
        client = app.test_client()
        for n in range(100):
            response = client.post("/sqlalchemy/new", data=ANN | {"name": f"{writer}/{n}"})
            answers.append(response.status_code)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [302] * 1600
    assert len({row["name"] for row in students(app)}) == 1600
