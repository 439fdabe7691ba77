"""The schema: `flask --app app.wsgi init-db` brings it up to date before the app serves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import click
from alembic.script import ScriptDirectory
from flask import Flask, current_app
from flask_migrate import upgrade
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.config import SQLITE_BUSY_SECONDS
from app.extensions import db

MIGRATIONS = str(Path(__file__).parent / "migrations")


# What the table of the SQLite chapter takes, in characters a column.
SQLITE_LIMITS = {"name": 100, "addr": 200, "city": 50, "pin": 10}


def connect_sqlite() -> sqlite3.Connection:
    """Open the file of the SQLite chapter, which uses the standard library alone."""
    connection = sqlite3.connect(current_app.config["SQLITE_DATABASE"], timeout=SQLITE_BUSY_SECONDS)
    connection.row_factory = sqlite3.Row
    return connection


def init_db() -> None:
    """Create or upgrade both databases; two that start at once wait for each other."""
    upgrade()
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
    head = current_app.extensions["schema_head"]
    try:
        revision = db.session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except SQLAlchemyError:
        return "The database does not answer, or init-db has not run."
    if revision != head:
        return f"The schema is at revision {revision}, this code needs {head}: run init-db."
    return None


def init_app(app: Flask) -> None:
    """Add the command, and keep the revision that this code needs."""
    app.extensions["schema_head"] = ScriptDirectory(MIGRATIONS).get_current_head()

    @app.cli.command("init-db", help="Create or upgrade the databases; safe to run twice, or twice at once.")
    def init_db_command() -> None:
        try:
            init_db()
        except (SQLAlchemyError, sqlite3.Error) as error:
            reason = str(getattr(error, "orig", None) or error)
            raise click.ClickException(f"The schema cannot be brought up to date ({reason}).") from None
        click.echo(f"The schema is at revision {app.extensions['schema_head']}.")
