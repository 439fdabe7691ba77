"""The extensions: made once here, bound to the application in create_app()."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase

from app.config import SQLITE_BUSY_SECONDS
from app.csrf import CSRFProtect
from app.sijax import Sijax
from app.smtp import Mail


class Base(DeclarativeBase):
    """What `Model` is made from."""


db = SQLAlchemy(model_class=Base)
mail = Mail()
csrf = CSRFProtect()
sijax = Sijax()

if TYPE_CHECKING:  # the checker cannot see into the base that the extension makes
    Model = Base
else:
    Model = db.Model


@event.listens_for(Engine, "connect")
def _tune_sqlite(connection: Any, record: Any) -> None:
    """Let readers and a writer work at once, and a second writer wait for its turn."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout = {int(SQLITE_BUSY_SECONDS * 1000)}")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        file = connection.execute("PRAGMA database_list").fetchone()[2]
        if file:  # none in memory
            record.info["file"] = (file, _identity(file))


@event.listens_for(Engine, "checkout")
def _open_anew_where_replaced(_connection: object, record: Any, _proxy: object) -> None:
    """Write to the file that is there, as after a backup's return, not to the one that was opened once."""
    if "file" in record.info:
        file, opened = record.info["file"]
        if _identity(file) != opened:
            raise DisconnectionError


def _identity(file: str) -> tuple[int, int] | None:
    try:
        status = Path(file).stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
