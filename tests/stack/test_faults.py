"""What a profile does when something stops: processes, the app as a whole, the client's patience."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.stacks import Stack, until


@pytest.mark.production
def test_static_is_served_while_the_app_is_stopped(stack: Stack) -> None:
    with stack.app_stopped():
        with pytest.raises(requests.Timeout):
            stack.site.get("/application/hello", timeout=1)
        assert stack.site.get("/static/site.css", timeout=5).ok
        assert stack.site.get("/static/vendor/jquery.min.js", timeout=5).ok
    until(lambda: stack.site.get("/application/hello").ok, "the app answers again")


def serves(stack: Stack) -> bool:
    try:
        return stack.site.get("/readyz", timeout=5).ok
    except requests.RequestException:
        return False


def test_killed_worker_is_replaced(stack: Stack) -> None:
    victim = next(iter(stack.workers()))
    killed = stack.clock()
    stack.signal("KILL", [victim])
    until(lambda: serves(stack), "the site answers again")
    until(lambda: max(stack.workers().values()) >= killed, "a new worker answers in place of the killed one")


@pytest.mark.parametrize(
    ("form", "action", "fields", "database"),
    [
        ("/sqlite/enternew", "/sqlite/addrec", ("nm", "add", "city", "pin"), "database.db"),
        ("/sqlalchemy/new", "/sqlalchemy/new", ("name", "addr", "city", "pin"), "students.sqlite3"),
    ],
)
def test_concurrent_inserts_are_all_kept(
    stack: Stack, form: str, action: str, fields: tuple[str, ...], database: str
) -> None:
    """16 writers, 50 each: as many rows afterwards as there were answers of success."""
    city = uuid.uuid4().hex[:12]

    def write(writer: int) -> int:
        with stack.site as site:
            token = site.token(form)
            values = (f"writer {writer}", "a street", city, "1")
            data = {"csrf_token": token, **dict(zip(fields, values, strict=True))}
            return sum(site.post(action, data=data).status_code in {200, 201, 302, 303} for _ in range(50))

    with ThreadPoolExecutor(16) as pool:
        succeeded = sum(pool.map(write, range(16)))
    count = stack.execute(
        stack.app, "python3", "-c",
        "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute("
        "'SELECT count(*) FROM students WHERE city = ?', (sys.argv[2],)).fetchone())",
        f"/var/lib/app/{database}", city,
    )  # fmt: skip
    assert (succeeded, int(count)) == (800, 800)
