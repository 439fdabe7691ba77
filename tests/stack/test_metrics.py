"""/metrics and the log of the application, in the containers that run it."""

from __future__ import annotations

import re

import pytest

from tests.stacks import Stack, until
from tests.wire import Place, request

COUNT = re.compile(
    r'^http_requests_total{endpoint="application.hello",method="GET",status="200"} (\S+)$', re.MULTILINE
)


def counted(stack: Stack) -> int:
    text = stack.execute(stack.front, "curl", "-fsS", "http://127.0.0.1/metrics")
    found = COUNT.search(text)
    return int(float(found[1])) if found else 0


def visit(stack: Stack, times: int) -> None:
    """Each on a connection of its own, so that every process gets some."""
    for _ in range(times):
        assert stack.site.get("/application/hello").status_code == 200


@pytest.mark.server
def test_V3_requests_are_counted_across_processes(stack: Stack) -> None:
    """A count that each process keeps for itself would jump to and fro."""
    before = counted(stack)
    visit(stack, 40)
    assert {counted(stack) for _ in range(20)} == {before + 40}


@pytest.mark.server
@pytest.mark.production
def test_V3_counts_outlast_a_reload(stack: Stack) -> None:
    before = counted(stack)
    old = " -o ".join(f"-e /proc/{process}" for process in stack.workers())
    stack.make("reload")
    left = "the old processes have left"
    until(lambda: stack.attempt(stack.app, "sh", "-c", f"test {old}")[0] != 0, left, 90)
    visit(stack, 10)
    assert {counted(stack) for _ in range(20)} == {before + 10}


@pytest.mark.server
@pytest.mark.production
def test_V3_a_new_container_counts_anew(stack: Stack) -> None:
    visit(stack, 1)
    stack.app.restart()
    until(lambda: stack.attempt(stack.front, "curl", "-fsS", "http://127.0.0.1/healthz")[0] == 0, "service")
    assert counted(stack) < 5


@pytest.mark.production
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "target",
    [
        "/metrics",
        "/metrics?",
        "/metrics?x=/healthz",
        "/%6detrics",
        "/%6D%65%74%72%69%63%73",
        "//metrics",
        "/./metrics",
        "/x/../metrics",
        "/x/%2e%2e/metrics",
        "/x%2f..%2fmetrics",
        "/metrics/",
        "/metrics/.",
        "/metrics%2f",
        "/metrics;x",
        "/metrics%00",
        "/metrics%20",
        "/Metrics",
        "/static/../metrics",
        "http://127.0.0.1/metrics",
    ],
)
def test_V3_no_spelling_shows_the_counts_to_others(stack: Stack, target: str, scheme: str) -> None:
    """Nor does what a client says of itself; the address itself is forbidden."""
    place = Place(stack.base_url) if scheme == "http" else Place(stack.tls_url, stack.authority)
    said = ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1")
    answer = place.ask(request(f"GET {target} HTTP/1.1", "Host: 127.0.0.1", *said))
    assert answer.status in {400, 403, 404, 308}, answer
    assert b"http_requests_total" not in answer.body
    if target.partition("?")[0] == "/metrics":
        assert answer.status == 403
