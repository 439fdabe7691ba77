"""Alembic's environment: online migrations only, in one transaction that a second run waits for."""

from __future__ import annotations

from alembic import context
from flask import current_app
from sqlalchemy import text

db = current_app.extensions["migrate"].db


def run_migrations() -> None:
    """Take the write lock before the revision is read, so that two runs cannot both migrate."""
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # The driver would begin later, at the first INSERT, and read the revision unlocked.
            connection.connection.driver_connection.isolation_level = None
            connection.execute(text("BEGIN IMMEDIATE"))
        context.configure(connection=connection, target_metadata=db.metadata, transactional_ddl=True)
        context.run_migrations()
        connection.commit()


run_migrations()
