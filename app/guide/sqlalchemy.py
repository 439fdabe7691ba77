"""The students through the ORM: list, filter, add, edit, delete."""

from __future__ import annotations

from typing import cast

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask.wrappers import Response
from sqlalchemy import String
from sqlalchemy.orm.exc import StaleDataError

from app.extensions import db
from app.guide.chapter import Chapter
from app.models import Student

chapter = Chapter(
    "sqlalchemy",
    __name__,
    title="SQLAlchemy",
    summary="A class instead of SQL: Flask-SQLAlchemy lists, filters, adds, edits and deletes students.",
)

FIELDS = ("name", "city", "addr", "pin")
PER_PAGE = 50
MAX_PAGE = 1_000_000
STUDENT = "<int(max=2147483647):student_id>"  # what the id's column holds; a larger one is no student's


@chapter.get("/", endpoint="page")
def show_all() -> ResponseReturnValue:
    query = db.select(Student).order_by(Student.id.desc())
    city = request.args.get("city", "").strip()
    if city:
        query = query.filter_by(city=city)
    if request.args.get("page", 1, type=int) > MAX_PAGE or "\0" in city:  # beyond what a database takes
        abort(404)
    students = db.paginate(query, per_page=PER_PAGE)
    return chapter.page(students=students, city=city)


@chapter.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    if request.method == "GET":
        return _form({})
    values = _values()
    problem = _problem(values)
    if problem:
        flash(problem, "error")
        return _form(values), 400
    db.session.add(Student(**values))
    db.session.commit()
    flash("Record was successfully added")
    return redirect(url_for(".page"))


@chapter.route(f"/{STUDENT}/edit", methods=["GET", "POST"])
def edit(student_id: int) -> ResponseReturnValue:
    student = db.get_or_404(Student, student_id)
    if request.method == "GET":
        return _form({name: getattr(student, name) for name in FIELDS}, student_id)
    values = _values()
    problem = _problem(values)
    if problem:
        flash(problem, "error")
        return _form(values, student_id), 400
    for name, value in values.items():
        setattr(student, name, value)
    try:
        db.session.commit()
    except StaleDataError:  # deleted by somebody else since get_or_404
        abort(404)
    flash("Record was successfully updated")
    return redirect(url_for(".page"))


@chapter.post(f"/{STUDENT}/delete")
def delete(student_id: int) -> ResponseReturnValue:
    deleted = db.session.scalar(db.delete(Student).filter_by(id=student_id).returning(Student.id))
    if deleted is None:
        abort(404)
    db.session.commit()
    flash("Record was successfully deleted")
    return redirect(url_for(".page"))


def _form(values: dict[str, str], student_id: int | None = None) -> Response:
    limits = {name: _limit(name) for name in FIELDS}
    return chapter.render("sqlalchemy-form.html", values=values, limits=limits, student_id=student_id)


def _values() -> dict[str, str]:
    return {name: request.form.get(name, "").strip() for name in FIELDS}


def _problem(values: dict[str, str]) -> str | None:
    if not all(values.values()):
        return "Please enter all the fields"
    for name, value in values.items():
        if len(value) > _limit(name):
            return f"The field {name} takes {_limit(name)} characters; yours has {len(value)}."
        if "\0" in value:  # PostgreSQL's text cannot hold it
            return f"The field {name} contains a character that cannot be stored."
    return None


def _limit(name: str) -> int:
    return cast(int, cast(String, Student.__table__.columns[name].type).length)
