"""The extensions: made once here, bound to the application in create_app()."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, event
from sqlalchemy.orm import DeclarativeBase

from app.config import SQLITE_BUSY_SECONDS
from app.csrf import CSRFProtect
from app.sijax import Sijax
from app.smtp import Mail


class Base(DeclarativeBase):
    """What `Model` is made from."""


db = SQLAlchemy(model_class=Base)
migrate = Migrate()
mail = Mail()
csrf = CSRFProtect()
sijax = Sijax()

if TYPE_CHECKING:  # the checker cannot see into the base that the extension makes
    Model = Base
else:
    Model = db.Model


@event.listens_for(Engine, "connect")
def _tune_sqlite(connection: Any, _record: object) -> None:
    """Let readers and a writer work at once, and a second writer wait for its turn."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout = {int(SQLITE_BUSY_SECONDS * 1000)}")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
