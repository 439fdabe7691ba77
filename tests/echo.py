"""Ask the app what arrived: `/test/echo`, which only the tests' own stacks have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.stacks import Stack, until
from tests.wire import Answer, Place, request


@dataclass(frozen=True)
class Echo:
    """What the app saw of a request; strings are the bytes that arrived, as Latin-1."""

    answer: Answer = field(repr=False)
    seen: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.seen[name]

    def header(self, name: str) -> list[str]:
        """Return each value of a header, as CGI names it."""
        cgi = name.upper().replace("-", "_")
        return [value for found, value in self.seen["headers"] if found in {cgi, f"HTTP_{cgi}"}]


def echo(
    place: Place,
    *lines: str,
    start: str = "GET /test/echo HTTP/1.1",
    hosts: Iterable[str] | None = None,
    body: bytes = b"",
) -> Echo:
    """Send a request with the header lines; return what the app saw of it."""
    named = [f"Host: {host}" for host in ((place.host,) if hosts is None else hosts)]
    answer = place.ask(request(start, *named, *lines, body=body))
    assert answer.status == 200, f"{answer}: {answer.body[:300]!r}"
    return Echo(answer, answer.json())


def app_log(stack: Stack) -> str:
    """Return the end of the app's log, without the access log, which apache has beside it."""
    lines = stack.app.logs(tail=5000).decode(errors="replace").splitlines()
    return "\n".join(line for line in lines if '"user_agent"' not in line)


def ran(stack: Stack, mark: str) -> bool:
    """Whether the app has run an answered request for `/test/log?message=MARK`."""
    sentinel = uuid4().hex
    asked = request(f"GET /test/log?message={sentinel} HTTP/1.1", "Host: localhost")
    assert Place(stack.base_url).ask(asked).status == 200
    until(lambda: sentinel in app_log(stack), "the app's log shows what was asked last", 5)
    return mark in app_log(stack)
