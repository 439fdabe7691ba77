"""app/database.py and app/health.py: the schema step, and what is said while it is missing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import create_engine, inspect, text

from app import create_app
from app.config import Settings
from app.database import HEAD, MIGRATIONS, connect_sqlite, init_db
from app.extensions import db
from app.models import Student

ROOT = Path(__file__).parents[2]
FLASK = [sys.executable, "-m", "flask", "--app", "app.wsgi"]
INIT_DB = [*FLASK, "init-db"]

# Imports come first and the line from stdin is the starting gun, so that the runs really meet.
START_TOGETHER = """
import flask_migrate
from app import create_app
from app.database import init_db
print("ready", flush=True)
input()
app = create_app()
with app.app_context():
    init_db()
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "secret_key").write_text("a secret of the tests, long enough for the check")
    return {
        "PATH": os.environ["PATH"],
        "APP_SECRET_KEY_FILE": str(tmp_path / "secret_key"),
        "APP_DATA_FOLDER": str(tmp_path / "data"),
    }


def run(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(INIT_DB, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)


def change(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_init_db_twice_keeps_what_is_there(app: Flask) -> None:
    with app.app_context():
        db.session.add(Student(name="Ann", city="Pune", addr="Hinjewadi", pin="1"))
        db.session.commit()
        with connect_sqlite() as connection:
            connection.execute("INSERT INTO students (name, addr, city, pin) VALUES ('a', 'b', 'c', 'd')")
        connection.close()
        init_db()
        assert db.session.scalar(db.select(db.func.count(Student.id))) == 1
        connection = connect_sqlite()
        assert connection.execute("SELECT count(*) FROM students").fetchone()[0] == 1
        connection.close()


def test_init_db_as_a_command_says_the_revision(environ: dict[str, str]) -> None:
    for _ in range(2):
        done = run(environ)
        assert (done.returncode, done.stdout, done.stderr) == (0, "The schema is at revision 0001.\n", "")


def test_two_init_db_at_once_on_an_empty_folder(environ: dict[str, str], tmp_path: Path) -> None:
    for attempt in range(3):
        own = environ | {"APP_DATA_FOLDER": str(tmp_path / f"round {attempt}")}
        runs = [
            subprocess.Popen(
                [sys.executable, "-c", START_TOGETHER],
                env=own,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in runs:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in runs:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        results = [process.communicate(timeout=60) for process in runs]
        assert [process.returncode for process in runs] == [0] * 4, results


def test_init_db_on_a_broken_file_is_one_line_and_exit_code_1(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "database.db").write_bytes(b"junk" * 1000)
    done = run(environ)
    assert done.returncode == 1
    assert done.stderr == "Error: The schema cannot be brought up to date (file is not a database).\n"


def test_init_db_of_older_code_is_one_line_and_exit_code_1(environ: dict[str, str], tmp_path: Path) -> None:
    assert run(environ).returncode == 0
    change(f"sqlite:///{tmp_path}/data/students.sqlite3", "UPDATE alembic_version SET version_num = '9999'")
    done = run(environ)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "9999" in line


def test_head_is_alembic_s() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def test_alembic_is_loaded_for_commands_alone(environ: dict[str, str]) -> None:
    """It costs each process of a server a fifth of its start, and 10 MB."""
    serve = "import app.wsgi, sys; print('alembic' in sys.modules)"
    for command, printed in (
        ([sys.executable, "-c", serve], "False\n"),
        ([*FLASK, "db", "heads"], "0001 (head)\n"),
    ):
        done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")


def test_alembic_is_not_loaded_where_there_is_nothing_to_upgrade(app: Flask) -> None:
    """It is most of what init-db adds to a start of the site."""
    with app.app_context(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.database._upgrade", lambda: pytest.fail("upgraded"))
        init_db()


def test_models_and_migrations_agree(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def test_tables_keep_the_guide_s_names(app: Flask) -> None:
    with app.app_context():
        columns = [column["name"] for column in inspect(db.engine).get_columns("students")]
        assert columns == ["student_id", "name", "city", "addr", "pin"]
        connection = connect_sqlite()
        columns = [row["name"] for row in connection.execute("PRAGMA table_info(students)")]
        connection.close()
    assert columns == ["student_id", "name", "addr", "city", "pin"]


@pytest.mark.parametrize("file", ["students.sqlite3", "database.db"])
def test_readers_and_a_writer_work_at_once(app: Flask, file: str) -> None:
    """WAL and a busy time-out, in each connection to either file."""
    with app.app_context():
        connection = connect_sqlite() if file == "database.db" else db.engine.raw_connection()
        cursor = connection.cursor()
        assert cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert cursor.execute("PRAGMA busy_timeout").fetchone()[0] == 10_000
        connection.close()


# ---- Readiness ----


def test_ready_with_the_schema(client: FlaskClient) -> None:
    assert client.get("/readyz").json == {"status": "ok"}


def test_not_ready_before_init_db(settings: Settings) -> None:
    client = create_app(settings).test_client()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json == {
        "status": "unavailable",
        "detail": "The database does not answer, or init-db has not run.",
    }
    assert client.get("/healthz").status_code == 200


def _other_revision(settings: Settings) -> None:
    change(settings.database_url, "UPDATE alembic_version SET version_num = '0000'")


def _no_revision(settings: Settings) -> None:
    change(settings.database_url, "DELETE FROM alembic_version")


def _junk(settings: Settings) -> None:
    for file in settings.data_folder.glob("students.sqlite3-*"):
        file.unlink()
    (settings.data_folder / "students.sqlite3").write_bytes(b"junk" * 1000)


def _folder_gone(settings: Settings) -> None:
    shutil.rmtree(settings.data_folder)


@pytest.mark.parametrize(
    ("harm", "detail"),
    [
        (_other_revision, "The schema is at revision 0000, this code needs 0001: run init-db."),
        (_no_revision, "The database does not answer, or init-db has not run."),
        (_junk, "The database does not answer, or init-db has not run."),
        (_folder_gone, "The database does not answer, or init-db has not run."),
    ],
)
def test_not_ready_but_alive_while_the_database_cannot_serve(
    app: Flask, client: FlaskClient, settings: Settings, harm: Callable[[Settings], None], detail: str
) -> None:
    with app.app_context():
        db.engine.dispose()
    harm(settings)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json == {"status": "unavailable", "detail": detail}
    assert client.get("/healthz").json == {"status": "ok"}


@pytest.mark.parametrize("harm", [_junk, _folder_gone])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_page_that_needs_a_broken_database_is_503(
    app: Flask, client: FlaskClient, settings: Settings, harm: Callable[[Settings], None], accept: str
) -> None:
    with app.app_context():
        db.engine.dispose()
    harm(settings)
    response = client.get("/sqlalchemy/", headers={"Accept": accept})
    assert response.status_code == 503
    assert response.mimetype == accept
    assert "The database does not answer." in response.text


def test_a_database_that_was_replaced_is_opened_anew(
    app: Flask, client: FlaskClient, settings: Settings
) -> None:
    """A connection that is kept would go on writing to the old file, which nobody reads again."""
    file = settings.data_folder / "students.sqlite3"
    with app.app_context():
        db.session.execute(text("SELECT 1"))
        db.session.remove()
    for path in settings.data_folder.glob("students.sqlite3*"):
        path.rename(path.with_name(f"old-{path.name}"))
    shutil.copy(settings.data_folder / "old-students.sqlite3", file)
    row = {"name": "Ann", "city": "Pune", "addr": "Hinjewadi", "pin": "1"}
    assert client.post("/sqlalchemy/new", data=row).status_code == 302
    for name, rows in (("students.sqlite3", 1), ("old-students.sqlite3", 0)):
        with closing(sqlite3.connect(settings.data_folder / name)) as connection:
            assert connection.execute("SELECT count(*) FROM students").fetchone() == (rows,)


def test_a_database_that_was_moved_away_is_503(app: Flask, client: FlaskClient, settings: Settings) -> None:
    with app.app_context():
        db.session.execute(text("SELECT 1"))
        db.session.remove()
    for path in settings.data_folder.glob("students.sqlite3*"):
        path.unlink()
    row = {"name": "Ann", "city": "Pune", "addr": "Hinjewadi", "pin": "1"}
    assert client.post("/sqlalchemy/new", data=row).status_code == 503
    assert client.get("/readyz").status_code == 503
