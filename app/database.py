"""The schema: `flask --app app.wsgi init-db` brings it up to date before the app serves."""

from __future__ import annotations

import fcntl
import sqlite3
from contextlib import closing
from pathlib import Path

import click
from flask import Flask, current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.config import SQLITE_BUSY_SECONDS
from app.extensions import db

MIGRATIONS = Path(__file__).parent / "migrations"

# The newest revision: each file in migrations/versions/ begins with the number that Alembic knows it by.
HEAD = max(file.name.partition("_")[0] for file in MIGRATIONS.glob("versions/*_*.py"))

# How long a probe waits for writers: they take turns in milliseconds.
READY_SECONDS = 2.0

# What the table of the SQLite chapter takes, in characters a column.
SQLITE_LIMITS = {"name": 100, "addr": 200, "city": 50, "pin": 10}


def connect_sqlite() -> sqlite3.Connection:
    """Open the file of the SQLite chapter, which uses the standard library alone."""
    connection = sqlite3.connect(current_app.config["SQLITE_DATABASE"], timeout=SQLITE_BUSY_SECONDS)
    connection.row_factory = sqlite3.Row
    return connection


def _bind_migrate(app: Flask) -> None:
    """Add Flask-Migrate, which costs a start a fifth of its time and 10 MB: for commands alone."""
    from flask_migrate import Migrate

    Migrate(app, db, directory=str(MIGRATIONS))


def _upgrade() -> None:
    from flask_migrate import upgrade

    if "migrate" not in current_app.extensions:
        _bind_migrate(current_app)
    upgrade()


def _revision() -> str | None:
    """Return the revision of the schema, or None where there is none, or no database that answers."""
    try:
        return db.session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except SQLAlchemyError:
        return None


def init_db() -> None:
    """Create or upgrade both databases; two that start at once wait for each other."""
    own = Path(current_app.config["SQLITE_DATABASE"])
    with own.with_suffix(".lock").open("w") as lock:
        fcntl.flock(
            lock, fcntl.LOCK_EX
        )  # who changes the journal's mode while another does is refused at once
        if _revision() != HEAD:
            db.session.remove()  # its connection would be in the way of the change
            _upgrade()
        if db.engine.dialect.name == "sqlite":
            with db.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.execute(text("PRAGMA journal_mode = WAL"))
        _init_own()


def _init_own() -> None:
    with closing(connect_sqlite()) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        columns = ", ".join(
            f'{name} TEXT NOT NULL CONSTRAINT "{name} must have 1 to {limit} characters"'
            f" CHECK (length({name}) BETWEEN 1 AND {limit} AND instr({name}, char(0)) = 0)"
            for name, limit in SQLITE_LIMITS.items()
        )
        connection.execute(f"CREATE TABLE IF NOT EXISTS students (student_id INTEGER PRIMARY KEY, {columns})")


def schema_problem() -> str | None:
    """Say in a sentence why the database cannot serve, or None where it can."""
    revision = _revision()
    if revision is None:
        return "The database does not answer, or init-db has not run."
    if revision != HEAD:
        return f"The schema is at revision {revision}, this code needs {HEAD}: run init-db."
    return next(filter(None, map(_write_problem, _sqlite_files())), None)


def _sqlite_files() -> list[str]:
    engine = db.engine
    main = [str(engine.url.database)] if engine.dialect.name == "sqlite" else []
    return [*main, current_app.config["SQLITE_DATABASE"]]


def _write_problem(file: str) -> str | None:
    """Take the write lock and give it back; readers go on under a lock that writers wait for in vain."""
    try:
        uri = f"{Path(file).as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, timeout=READY_SECONDS, uri=True)) as connection:
            connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            return "The database is locked by something that does not finish."
        return f"The database cannot be written ({error})."
    return None


def init_app(app: Flask) -> None:
    """Add the command, and where the `flask` command runs, `flask db` of Flask-Migrate."""
    if click.get_current_context(silent=True):
        _bind_migrate(app)

    @app.cli.command("init-db", help="Create or upgrade the databases; safe to run twice, or twice at once.")
    def init_db_command() -> None:
        try:
            init_db()
        except (SQLAlchemyError, sqlite3.Error) as error:
            reason = str(getattr(error, "orig", None) or error)
            raise click.ClickException(f"The schema cannot be brought up to date ({reason}).") from None
        click.echo(f"The schema is at revision {HEAD}.")
