"""The students by SQL alone: the standard library's sqlite3, without an ORM."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask.wrappers import Response

from app.database import SQLITE_LIMITS, connect_sqlite
from app.errors import RETRY_SECONDS, log_outage
from app.guide.chapter import Chapter

chapter = Chapter(
    "sqlite",
    __name__,
    title="SQLite",
    summary="The standard library's sqlite3: SQL with bound parameters, in a transaction.",
)

PER_PAGE = 50
MAX_PAGE = 1_000_000


@chapter.get("/")
def page() -> ResponseReturnValue:
    return chapter.page()


@chapter.get("/enternew")
def new_student() -> ResponseReturnValue:
    return chapter.render("sqlite-student.html", values={}, limits=SQLITE_LIMITS)


@chapter.post("/addrec")
def addrec() -> ResponseReturnValue:
    values = {name: request.form.get(name, "").strip() for name in ("nm", "add", "city", "pin")}
    insert = "INSERT INTO students (name, addr, city, pin) VALUES (:nm, :add, :city, :pin)"
    try:
        # The connection as a context: commit at its end, rollback where an exception leaves it.
        with closing(connect_sqlite()) as connection, connection:
            connection.execute(insert, values)
    except sqlite3.IntegrityError as error:
        return _rolled_back(str(error).removeprefix("CHECK constraint failed: "), values), 400
    except sqlite3.OperationalError as error:
        log_outage("database", error)
        reason = "the database is locked or does not answer, please try again"
        return _rolled_back(reason, values), 503, {"Retry-After": str(RETRY_SECONDS)}
    return chapter.render("sqlite-result.html")


@chapter.get("/list")
def list_students() -> ResponseReturnValue:
    try:
        page = int(request.args.get("page", 1))
    except ValueError:
        abort(404)
    if not 1 <= page <= MAX_PAGE:
        abort(404)
    with closing(connect_sqlite()) as connection:
        students = connection.execute(
            "SELECT name, addr, city, pin FROM students ORDER BY student_id DESC LIMIT ? OFFSET ?",
            # One more tells whether there is a next page; to count them all takes longer with each row.
            (PER_PAGE + 1, (page - 1) * PER_PAGE),
        ).fetchall()
    if not students and page > 1:
        abort(404)
    more = len(students) > PER_PAGE
    return chapter.render("sqlite-list.html", students=students[:PER_PAGE], page=page, more=more)


def _rolled_back(reason: str, values: dict[str, str]) -> Response:
    return chapter.render("sqlite-student.html", values=values, limits=SQLITE_LIMITS, problem=reason)
