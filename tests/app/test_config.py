"""app/config.py: what is accepted, and that each refusal is one sentence before anything serves."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app import create_app
from app.config import ConfigError, Settings

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The smallest environment that the application starts in."""
    (tmp_path / "secret_key").write_text(SECRET + "\n")
    return {"APP_SECRET_KEY_FILE": str(tmp_path / "secret_key"), "APP_DATA_FOLDER": str(tmp_path / "data")}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        Settings.from_environment(environ).check()
    return str(caught.value)


def test_the_smallest_environment_is_enough(environ: dict[str, str], tmp_path: Path) -> None:
    settings = Settings.from_environment(environ)
    settings.check()
    assert settings.secret_key == SECRET
    assert settings.upload_folder == tmp_path / "data" / "uploads"
    assert settings.database_url == f"sqlite:///{tmp_path}/data/students.sqlite3"
    assert settings.proxy_hops == 0


def test_every_setting_is_read(environ: dict[str, str], tmp_path: Path) -> None:
    settings = Settings.from_environment(
        environ
        | {
            "APP_UPLOAD_FOLDER": str(tmp_path / "up"),
            "APP_DATABASE_URL": "sqlite:///other.sqlite3",
            "APP_PREFIX": "/guide",
            "APP_PROXY_HOPS": "2",
            "APP_FRONT_END": "nginx",
            "APP_TRANSPORT": "HTTP over a Unix socket",
            "APP_SERVER": "gunicorn",
            "APP_STATIC_FOLDER": "/srv/static",
            "APP_VENDOR_FOLDER": "/srv/vendor",
            "APP_TEST_VIEWS": "true",
        }
    )
    assert settings == Settings(
        secret_key=SECRET,
        data_folder=tmp_path / "data",
        upload_folder=tmp_path / "up",
        database_url="sqlite:///other.sqlite3",
        prefix="/guide",
        proxy_hops=2,
        front_end="nginx",
        transport="HTTP over a Unix socket",
        server="gunicorn",
        static_folder=Path("/srv/static"),
        vendor_folder=Path("/srv/vendor"),
        test_views=True,
    )


def test_every_mail_setting_reaches_flask_mail(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    mail = {
        "MAIL_SERVER": "mail.example.org",
        "MAIL_PORT": "587",
        "MAIL_USE_TLS": "true",
        "MAIL_USE_SSL": "no",
        "MAIL_DEBUG": "0",
        "MAIL_USERNAME": "ann",
        "MAIL_PASSWORD_FILE": str(tmp_path / "password"),
        "MAIL_DEFAULT_SENDER": "Desk <desk@example.org>",
        "MAIL_MAX_EMAILS": "10",
        "MAIL_SUPPRESS_SEND": "Yes",
        "MAIL_ASCII_ATTACHMENTS": "1",
    }
    state = create_app(Settings.from_environment(environ | mail)).extensions["mail"]
    assert vars(state) == {
        "server": "mail.example.org",
        "port": 587,
        "use_tls": True,
        "use_ssl": False,
        "debug": 0,
        "username": "ann",
        "password": "correct horse",
        "default_sender": "Desk <desk@example.org>",
        "max_emails": 10,
        "suppress": True,
        "ascii_attachments": True,
    }


def test_an_empty_variable_counts_as_not_set(environ: dict[str, str]) -> None:
    empty = {"APP_UPLOAD_FOLDER": "", "APP_PROXY_HOPS": "", "MAIL_PORT": "", "MAIL_SERVER": ""}
    assert Settings.from_environment(environ | empty) == Settings.from_environment(environ)


def test_a_relative_folder_is_made_absolute(environ: dict[str, str], tmp_path: Path) -> None:
    """SQLAlchemy and Flask-SQLAlchemy disagree on what a relative SQLite path is relative to."""
    settings = Settings.from_environment(environ | {"APP_DATA_FOLDER": os.path.relpath(tmp_path / "data")})
    assert settings.upload_folder == tmp_path / "data" / "uploads"
    assert settings.database_url == f"sqlite:///{tmp_path}/data/students.sqlite3"


def test_static_folder_is_relative_to_the_working_folder(environ: dict[str, str], tmp_path: Path) -> None:
    """Flask would look for it below app/."""
    static = os.path.relpath(tmp_path)
    settings = Settings.from_environment(environ | {"APP_STATIC_FOLDER": static})
    assert settings.static_folder == tmp_path


def test_static_folder_that_is_not_there_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    assert refusal(environ | {"APP_STATIC_FOLDER": f"{tmp_path}/static"}) == (
        f"There is no folder {tmp_path}/static of static files;"
        " make it with 'make static', or correct APP_STATIC_FOLDER."
    )


def test_settings_printed_show_no_secret(settings: Settings) -> None:
    shown = repr(replace(settings, mail={"MAIL_PASSWORD": "correct horse"}))
    assert settings.secret_key not in shown
    assert "correct horse" not in shown


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        *(
            (
                "APP_PREFIX",
                value,
                f"APP_PREFIX must be a path such as /guide, without a slash at its end, not '{value}'.",
            )
            for value in ("/", "guide", "/guide/", "//guide", "/a/../b", "/a b", "/ü", "/a%2fb")
        ),
        ("APP_PROXY_HOPS", "-1", "APP_PROXY_HOPS must be a whole number from 0 to 65535, not '-1'."),
        ("APP_PROXY_HOPS", "one", "APP_PROXY_HOPS must be a whole number from 0 to 65535, not 'one'."),
        ("APP_PROXY_HOPS", "²", "APP_PROXY_HOPS must be a whole number from 0 to 65535, not '²'."),
        (
            "APP_PROXYHOPS",
            "1",
            "APP_PROXYHOPS is not a setting of this application; it knows APP_DATABASE_URL,",
        ),
        ("MAIL_PORT", "smtp", "MAIL_PORT must be a whole number from 0 to 65535, not 'smtp'."),
        ("MAIL_PORT", "65536", "MAIL_PORT must be a whole number from 0 to 65535, not '65536'."),
        ("MAIL_USE_TLS", "maybe", "MAIL_USE_TLS must be true or false, not 'maybe'."),
        ("MAIL_DEFAULT_SENDER", "desk", "MAIL_DEFAULT_SENDER must be an e-mail address, not 'desk'."),
        (
            "MAIL_PASSWORD_FILE",
            "/nowhere",
            "MAIL_PASSWORD_FILE: the file /nowhere cannot be read (No such file",
        ),
        ("MAIL_PASSWORD", "secret", "MAIL_PASSWORD is not a setting of this application; it knows MAIL_"),
        (
            "APP_DATABASE_URL",
            "students",
            "The database of APP_DATABASE_URL cannot be reached (Could not parse",
        ),
        ("APP_DATABASE_URL", "foo://", "The database foo:// cannot be reached (Can't load plugin:"),
        (
            "APP_DATABASE_URL",
            "sqlite:////proc/x",
            "The database sqlite:////proc/x cannot be reached (unable to open",
        ),
        ("APP_DATA_FOLDER", "/proc/x", f"The folder /proc/x cannot be written by user id {os.getuid()};"),
        ("APP_UPLOAD_FOLDER", "/proc/x", "name another in APP_UPLOAD_FOLDER."),
        ("APP_UPLOAD_FOLDER", __file__, f"The folder {__file__} cannot be written by user id"),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(
    environ: dict[str, str], variable: str, value: str, expected: str
) -> None:
    message = refusal(environ | {variable: value})
    assert expected in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "has 0 bytes, fewer than 32"),
        (b"x" * 31 + b"\n", "has 31 bytes, fewer than 32"),
        (b"\xff" * 40, "is not plain text"),
    ],
)
def test_a_weak_or_missing_secret_is_refused_with_what_to_do(
    environ: dict[str, str], tmp_path: Path, content: bytes | None, expected: str
) -> None:
    file = tmp_path / "other"
    if content is not None:
        file.write_bytes(content)
    message = refusal(environ | {"APP_SECRET_KEY_FILE": str(file)})
    advice = "; make one with 'make secrets', or name its file in APP_SECRET_KEY_FILE."
    assert message == f"The secret key {file} {expected}{advice}"


def test_a_file_that_is_no_database_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    message = refusal(environ | {"APP_DATABASE_URL": f"sqlite:///{tmp_path / 'junk'}"})
    assert "cannot be reached (file is not a database); start it, or correct APP_DATABASE_URL." in message


def test_the_database_s_password_is_not_shown(environ: dict[str, str]) -> None:
    message = refusal(environ | {"APP_DATABASE_URL": "postgresql://ann:hunter2@127.0.0.1:1/students"})
    assert "The database postgresql://ann:***@127.0.0.1:1/students cannot be reached (" in message
    assert "hunter2" not in message


STARTS = {
    "import": [sys.executable, "-c", "import app.wsgi"],
    "init-db": [sys.executable, "-m", "flask", "--app", "app.wsgi", "init-db"],
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("APP_SECRET_KEY_FILE", "/nowhere", "The secret key /nowhere cannot be read"),
        ("APP_SECRET_KEY_FILE", "/proc/sys/kernel/ostype", "has 5 bytes, fewer than 32"),
        ("APP_DATABASE_URL", "sqlite:////dev/null/students", "cannot be reached"),
        ("APP_UPLOAD_FOLDER", "/dev/null/uploads", "cannot be written"),
        ("APP_COLOUR", "green", "APP_COLOUR is not a setting"),
        ("MAIL_PORT", "smtp", "MAIL_PORT must be a whole number"),
    ],
)
def test_a_refused_start_is_one_line_and_exit_code_1(
    environ: dict[str, str], start: str, variable: str, value: str, expected: str
) -> None:
    run = subprocess.run(
        STARTS[start],
        env={"PATH": os.environ["PATH"]} | environ | {variable: value},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith("Error: ")
    assert expected in line
