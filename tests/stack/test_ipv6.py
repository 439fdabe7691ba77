"""R1 and V3 by IPv6, which visitors of a server with an address of that kind come by first."""

from __future__ import annotations

import pytest

from tests.stacks import Stack

pytestmark = [pytest.mark.production, pytest.mark.shared]


def status(stack: Stack, path: str, *how: str) -> str:
    """Ask for a path in the front end's own network; return the status and HTTP's version."""
    scheme = "https" if how else "http"
    curl = ["curl", "-gksS", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", *how]
    return stack.execute(stack.front, *curl, f"{scheme}://[::1]{path}")


def test_R1_site_is_reached_by_ipv6(stack: Stack) -> None:
    assert status(stack, "/application/hello") == "200 1.1"
    assert status(stack, "/application/hello", "--http2") == "200 2"


def test_V3_metrics_are_open_to_the_machine_itself_by_ipv6(stack: Stack) -> None:
    assert status(stack, "/metrics") == "200 1.1"
