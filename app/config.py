"""Every setting, read from the environment and from secret files, checked before the app serves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

MIN_SECRET_BYTES = 32
MAX_BODY_BYTES = 10 * 1024 * 1024
SQLITE_BUSY_SECONDS = 10.0


class ConfigError(Exception):
    """A setting that keeps the app from serving; its text is one sentence with the next step."""


@dataclass(frozen=True)
class Settings:
    """The settings that are this application's own; ``MAIL_*`` are Flask-Mail's and pass through."""

    secret_key: str
    data_folder: Path
    upload_folder: Path
    database_url: str
    proxy_hops: int = 0
    """How many HTTP proxies stand before the app: 0 for mod_wsgi, FastCGI and the development server."""
    front_end: str = "none"
    transport: str = "none"
    server: str = "none"
    vendor_folder: Path | None = None
    """Where the app itself finds `/static/vendor/`; set where no front end serves it (dev)."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read ``APP_*``; raises ConfigError for a variable that does not exist or cannot be used."""
        known = {f"APP_{name}" for name in VARIABLES}
        for name in sorted(environ):
            if name.startswith("APP_") and name not in known:
                raise ConfigError(
                    f"{name} is not a setting of this application; it knows {', '.join(sorted(known))}."
                )
        data = Path(environ.get("APP_DATA_FOLDER", "/var/lib/app"))
        hops = environ.get("APP_PROXY_HOPS", "0")
        if not hops.isdecimal():
            raise ConfigError(f"APP_PROXY_HOPS must be a whole number of proxies, 0 or more, not '{hops}'.")
        vendor = environ.get("APP_VENDOR_FOLDER")
        return cls(
            secret_key=_read_secret(Path(environ.get("APP_SECRET_KEY_FILE", "/run/secrets/secret_key"))),
            data_folder=data,
            upload_folder=Path(environ.get("APP_UPLOAD_FOLDER", data / "uploads")),
            database_url=environ.get("APP_DATABASE_URL", f"sqlite:///{data / 'students.sqlite3'}"),
            proxy_hops=int(hops),
            front_end=environ.get("APP_FRONT_END", "none"),
            transport=environ.get("APP_TRANSPORT", "none"),
            server=environ.get("APP_SERVER", "none"),
            vendor_folder=Path(vendor) if vendor else None,
        )

    def check(self) -> None:
        """Raise ConfigError where the upload folder cannot be written or the database not be reached."""
        for purpose, folder, variable in (
            ("data", self.data_folder, "APP_DATA_FOLDER"),
            ("upload", self.upload_folder, "APP_UPLOAD_FOLDER"),
        ):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                writable = os.access(folder, os.W_OK | os.X_OK)
            except OSError:
                writable = False
            if not writable:
                raise ConfigError(
                    f"The {purpose} folder {folder} cannot be written by user id {os.getuid()};"
                    f" give it to that user, or name another in {variable}."
                )
        try:
            engine = create_engine(self.database_url)
            with engine.connect():
                pass
            engine.dispose()
        except (ArgumentError, SQLAlchemyError, ImportError) as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise ConfigError(
                f"The database {_without_password(self.database_url)} cannot be reached ({reason});"
                " start it, or correct APP_DATABASE_URL."
            ) from None

    def flask_config(self, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
        """Return the keys that Flask and the extensions read."""
        return {
            "SECRET_KEY": self.secret_key,
            "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
            "UPLOAD_FOLDER": str(self.upload_folder),
            "SQLALCHEMY_DATABASE_URI": self.database_url,
            "SQLITE_DATABASE": str(self.data_folder / "database.db"),
            "SESSION_COOKIE_SAMESITE": "Lax",
            "TEMPLATES_AUTO_RELOAD": False,
            "WTF_CSRF_TIME_LIMIT": None,  # as long as the session: a form left open overnight still works
            **_mail_config(environ),
        }


VARIABLES = (
    "SECRET_KEY_FILE",
    "DATA_FOLDER",
    "UPLOAD_FOLDER",
    "DATABASE_URL",
    "PROXY_HOPS",
    "FRONT_END",
    "TRANSPORT",
    "SERVER",
    "VENDOR_FOLDER",
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


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "of APP_DATABASE_URL"


def _mail_config(environ: Mapping[str, str]) -> dict[str, Any]:
    switches = {"MAIL_USE_TLS", "MAIL_USE_SSL", "MAIL_DEBUG", "MAIL_SUPPRESS_SEND", "MAIL_ASCII_ATTACHMENTS"}
    numbers = {"MAIL_PORT", "MAIL_MAX_EMAILS"}
    texts = {"MAIL_SERVER", "MAIL_USERNAME", "MAIL_DEFAULT_SENDER"}
    config: dict[str, Any] = {"MAIL_SERVER": "localhost", "MAIL_DEFAULT_SENDER": "guide@example.org"}
    for name, value in environ.items():
        if name in switches:
            if value.lower() not in {"true", "false", "1", "0", "yes", "no"}:
                raise ConfigError(f"{name} must be true or false, not '{value}'.")
            config[name] = value.lower() in {"true", "1", "yes"}
        elif name in numbers:
            if not value.isdecimal():
                raise ConfigError(f"{name} must be a whole number, not '{value}'.")
            config[name] = int(value)
        elif name in texts:
            config[name] = value
        elif name == "MAIL_PASSWORD_FILE":
            try:
                config["MAIL_PASSWORD"] = Path(value).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigError(f"MAIL_PASSWORD_FILE {value} cannot be read ({error.strerror}).") from None
    return config
