"""Every setting, read from the environment and from secret files, checked before the app serves."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

MIN_SECRET_BYTES = 32
MAX_BODY_BYTES = 10 * 1024 * 1024
SQLITE_BUSY_SECONDS = 10.0

VARIABLES = {
    "APP_SECRET_KEY_FILE",
    "APP_DATA_FOLDER",
    "APP_UPLOAD_FOLDER",
    "APP_DATABASE_URL",
    "APP_PREFIX",
    "APP_PROXY_HOPS",
    "APP_FRONT_END",
    "APP_TRANSPORT",
    "APP_SERVER",
    "APP_STATIC_FOLDER",
    "APP_VENDOR_FOLDER",
    "APP_TEST_VIEWS",
}


class ConfigError(Exception):
    """A setting that keeps the app from serving; its text is one sentence with the next step."""


@dataclass(frozen=True)
class Settings:
    """The application's settings; each stands in the environment as ``APP_…`` or ``MAIL_…``."""

    secret_key: str = field(repr=False)
    data_folder: Path
    upload_folder: Path
    database_url: str = field(repr=False)
    prefix: str = ""
    """Where the site has the application: `/guide` for `https://example.org/guide/`; empty at the root."""
    proxy_hops: int = 0
    """How many HTTP proxies stand before the app: 0 for mod_wsgi, FastCGI and the development server."""
    front_end: str = "none"
    transport: str = "none"
    server: str = "none"
    static_folder: Path | None = None
    """What is served as `/static/`, with the manifest of its fingerprinted names; unset in dev."""
    vendor_folder: Path | None = None
    """Where the app itself finds `/static/vendor/`; set where no front end serves it (dev)."""
    test_views: bool = False
    """Whether the views of `app/testing.py` are there; never where strangers visit."""
    mail: Mapping[str, object] = field(default_factory=dict, repr=False)
    """Flask-Mail's own keys."""

    @property
    def hosted(self) -> bool:
        """Whether the one proxy before the app is a hosted platform's: docs/hosted.md."""
        return self.front_end == "none" and self.proxy_hops > 0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Raise ConfigError for a variable that does not exist or whose value cannot be used.

        An empty variable counts as not set: compose files and units pass such for what they leave open.
        """
        environ = {name: value for name, value in environ.items() if value}
        _refuse_unknown("APP_", VARIABLES, environ)
        _refuse_unknown("MAIL_", MAIL_VARIABLES.keys(), environ)
        data = Path(environ.get("APP_DATA_FOLDER", "/var/lib/app")).resolve()
        static, vendor = environ.get("APP_STATIC_FOLDER"), environ.get("APP_VENDOR_FOLDER")
        return cls(
            secret_key=_read_secret(Path(environ.get("APP_SECRET_KEY_FILE", "/run/secrets/secret_key"))),
            data_folder=data,
            upload_folder=Path(environ.get("APP_UPLOAD_FOLDER", data / "uploads")).resolve(),
            database_url=environ.get("APP_DATABASE_URL", f"sqlite:///{data / 'students.sqlite3'}"),
            prefix=_prefix("APP_PREFIX", environ.get("APP_PREFIX", "")),
            proxy_hops=_whole_number("APP_PROXY_HOPS", environ.get("APP_PROXY_HOPS", "0")),
            front_end=environ.get("APP_FRONT_END", "none"),
            transport=environ.get("APP_TRANSPORT", "none"),
            server=environ.get("APP_SERVER", "none"),
            static_folder=Path(static).resolve() if static else None,
            vendor_folder=Path(vendor) if vendor else None,
            test_views=_switch("APP_TEST_VIEWS", environ.get("APP_TEST_VIEWS", "false")),
            mail={
                name.removesuffix("_FILE"): read(name, environ[name])
                for name, read in MAIL_VARIABLES.items()
                if name in environ
            },
        )

    def check(self) -> None:
        """Raise ConfigError where a folder is missing or read-only, or the database cannot be reached."""
        _check_folder(self.data_folder, "APP_DATA_FOLDER")
        _check_folder(self.upload_folder, "APP_UPLOAD_FOLDER")
        if self.static_folder and not self.static_folder.is_dir():
            raise ConfigError(
                f"There is no folder {self.static_folder} of static files;"
                " make it with 'make static', or correct APP_STATIC_FOLDER."
            )
        _check_database(self.database_url)

    def flask_config(self) -> dict[str, Any]:
        """Return the keys that Flask and the extensions read."""
        return {
            "APPLICATION_ROOT": self.prefix or "/",
            "SECRET_KEY": self.secret_key,
            "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
            "UPLOAD_FOLDER": str(self.upload_folder),
            "SQLALCHEMY_DATABASE_URI": self.database_url,
            "SQLITE_DATABASE": str(self.data_folder / "database.db"),
            "SESSION_COOKIE_SAMESITE": "Lax",
            "TEMPLATES_AUTO_RELOAD": False,
            "WTF_CSRF_TIME_LIMIT": None,  # as long as the session: a form left open overnight still works
            "MAIL_SERVER": "localhost",
            "MAIL_DEFAULT_SENDER": "guide@example.org",
            **self.mail,
        }


def _refuse_unknown(prefix: str, known: Collection[str], environ: Mapping[str, str]) -> None:
    for name in sorted(environ.keys() - set(known)):
        if name.startswith(prefix):
            raise ConfigError(
                f"{name} is not a setting of this application; it knows {', '.join(sorted(known))}."
            )


def _read_secret(path: Path) -> str:
    advice = "; make one with 'make secrets', or name its file in APP_SECRET_KEY_FILE."
    try:
        secret = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"The secret key {path} cannot be read ({error.strerror}){advice}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The secret key {path} is not plain text{advice}") from None
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigError(
            f"The secret key {path} has {len(secret)} bytes, fewer than {MIN_SECRET_BYTES}{advice}"
        )
    return secret


def _check_folder(folder: Path, variable: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise ConfigError(
            f"The folder {folder} cannot be written by user id {os.getuid()};"
            f" give it to that user, or name another in {variable}."
        )


def _check_database(url: str) -> None:
    shown = "of APP_DATABASE_URL"
    try:
        shown = make_url(url).render_as_string(hide_password=True)
        engine = create_engine(url)
        with engine.connect():
            pass
        engine.dispose()
    except (SQLAlchemyError, sqlite3.Error, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise ConfigError(
            f"The database {shown} cannot be reached ({reason}); start it, or correct APP_DATABASE_URL."
        ) from None


def _text(_name: str, value: str) -> str:
    return value


def _prefix(name: str, value: str) -> str:
    known = re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", value)
    if not known or {".", ".."} & set(value.split("/")):
        raise ConfigError(f"{name} must be a path such as /guide, without a slash at its end, not '{value}'.")
    return value


def _whole_number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal()) or int(value) > 65535:
        raise ConfigError(f"{name} must be a whole number from 0 to 65535, not '{value}'.")
    return int(value)


def _switch(name: str, value: str) -> bool:
    switches = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if value.lower() not in switches:
        raise ConfigError(f"{name} must be true or false, not '{value}'.")
    return switches[value.lower()]


def _address(name: str, value: str) -> str:
    try:
        validate_email(value, allow_display_name=True, check_deliverability=False)
    except EmailNotValidError:
        raise ConfigError(f"{name} must be an e-mail address, not '{value}'.") from None
    return value


def _password(name: str, value: str) -> str:
    try:
        return Path(value).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{name}: the file {value} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: the file {value} is not plain text.") from None


MAIL_VARIABLES: dict[str, Callable[[str, str], object]] = {
    "MAIL_SERVER": _text,
    "MAIL_PORT": _whole_number,
    "MAIL_USE_TLS": _switch,
    "MAIL_USE_SSL": _switch,
    "MAIL_DEBUG": _switch,
    "MAIL_USERNAME": _text,
    "MAIL_PASSWORD_FILE": _password,
    "MAIL_DEFAULT_SENDER": _address,
    "MAIL_MAX_EMAILS": _whole_number,
    "MAIL_SUPPRESS_SEND": _switch,
    "MAIL_ASCII_ATTACHMENTS": _switch,
}
