"""What the application takes: forms up to a size, and ten tries a minute to log in or to send mail.

Flask-Limiter counts the tries, for each client and view, in a file of SQLite that all processes share.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from ipaddress import ip_network
from math import ceil
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_limiter import Limiter, RequestLimit
from limits.storage import Storage

from app.config import SQLITE_BUSY_SECONDS

TABLE = "CREATE TABLE IF NOT EXISTS counts (key TEXT PRIMARY KEY, count INTEGER, expires REAL)"
COUNT = (
    "INSERT INTO counts VALUES (?, ?, ?)"
    " ON CONFLICT DO UPDATE SET count = count + excluded.count RETURNING count, expires"
)


class SQLiteStorage(Storage):
    """A row for each client and view; its first request begins the time in which the others count."""

    STORAGE_SCHEME = ["sqlite"]  # noqa: RUF012  as the base class declares it
    base_exceptions = sqlite3.Error

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._path = urlsplit(uri).path
        self._all(TABLE)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a request, and return how many there were."""
        now = time.time()
        with closing(self._connect()) as connection, connection:
            connection.execute("DELETE FROM counts WHERE expires <= ?", (now,))
            (row,) = connection.execute(COUNT, (key, amount, now + expiry)).fetchall()
        return int(row[0])

    def get(self, key: str) -> int:
        """Return how many requests there were."""
        return int(self._row(key)[0])

    def get_expiry(self, key: str) -> float:
        """Return when they count no more, as the time since the epoch."""
        return float(self._row(key)[1])

    def check(self) -> bool:
        """Raise sqlite3.Error where the file cannot be used."""
        self._all(TABLE)
        return True

    def reset(self) -> None:
        """Forget all."""
        self._all("DELETE FROM counts")

    def clear(self, key: str) -> None:
        """Forget one client at one view."""
        self._all("DELETE FROM counts WHERE key = ?", key)

    def _row(self, key: str) -> tuple[int, float]:
        rows = self._all("SELECT count, expires FROM counts WHERE key = ?", key)
        return rows[0] if rows else (0, time.time())

    def _all(self, statement: str, *values: str) -> list[tuple[int, float]]:
        with closing(self._connect()) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=SQLITE_BUSY_SECONDS)


def client() -> str:
    """Return whom the request counts for: an address, or of IPv6 the network that one subscriber has."""
    address = request.remote_addr or ""
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address


def _refusal(limit: RequestLimit) -> Response:
    seconds = ceil(limit.window.reset_time - time.time())
    return Response(headers={"Retry-After": str(max(1, seconds))})


limiter = Limiter(client, on_breach=_refusal)
trying = limiter.limit(
    "10/minute",
    methods=["POST"],
    error_message="You have tried this too often. Please wait a minute, and try again.",
)
"""Decorates a view that guessers of passwords, or senders of unwanted mail, would call again and again."""


def _bound_form() -> None:
    if request.mimetype == "application/x-www-form-urlencoded":
        request.max_content_length = request.max_form_memory_size


def bound_forms(app: Flask) -> None:
    """Hold a form in one piece to the limit that Flask has for a part: 10 MiB could be millions of fields."""
    app.before_request(_bound_form)
