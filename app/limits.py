"""What the application takes: forms up to a size, and ten tries a minute to log in or to send mail.

The tries are counted for each client and view, in a file of SQLite that all processes share.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from ipaddress import ip_network
from math import ceil
from pathlib import Path
from typing import ParamSpec, TypeVar

from flask import Flask, current_app, request
from werkzeug.exceptions import TooManyRequests

from app.config import SQLITE_BUSY_SECONDS

P = ParamSpec("P")
R = TypeVar("R")

TRIES_A_MINUTE = 10
MINUTE = 60  # seconds
REFUSAL = "You have tried this too often. Please wait a minute, and try again."
TABLE = "CREATE TABLE IF NOT EXISTS counts (key TEXT PRIMARY KEY, count INTEGER, expires REAL)"
COUNT = (
    "INSERT INTO counts VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count, expires"
)


class Counts:
    """A row for each client and view; its first try begins the time in which the others count.

    Raises `sqlite3.Error` where the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with closing(self._connect()) as connection, connection:
            connection.execute(TABLE)

    def add(self, key: str) -> tuple[int, float]:
        """Count a try; return how many there were, and how many seconds they count on."""
        now = time.time()
        with closing(self._connect()) as connection, connection:
            connection.execute("DELETE FROM counts WHERE expires <= ?", (now,))
            ((count, expires),) = connection.execute(COUNT, (key, now + MINUTE)).fetchall()
        return count, expires - time.time()  # not now: another's try may have come before this one's turn

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=SQLITE_BUSY_SECONDS)


def client() -> str:
    """Return whom the request counts for: an address, or of IPv6 the network that one subscriber has."""
    address = request.remote_addr or ""
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address


def trying(view: Callable[P, R]) -> Callable[P, R]:
    """Decorate a view that guessers of passwords, or senders of unwanted mail, would call again and again."""

    @wraps(view)
    def tried(*args: P.args, **kwargs: P.kwargs) -> R:
        if request.method == "POST":
            count, seconds = current_app.extensions["tries"].add(f"{client()} {request.endpoint}")
            if count > TRIES_A_MINUTE:
                raise TooManyRequests(REFUSAL, retry_after=max(1, ceil(seconds)))
        return view(*args, **kwargs)

    return tried


def _bound_form() -> None:
    if request.mimetype == "application/x-www-form-urlencoded":
        request.max_content_length = request.max_form_memory_size


def init_app(app: Flask) -> None:
    """Count the tries, and hold a form in one piece to the limit that Flask has for a part of one.

    10 MiB, the limit of a body, could be millions of fields.
    """
    app.extensions["tries"] = Counts(app.extensions["settings"].data_folder / "limits.sqlite3")
    app.before_request(_bound_form)
