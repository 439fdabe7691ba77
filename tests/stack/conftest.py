"""What the tests of whole stacks share: the two ways into a profile."""

from __future__ import annotations

import pytest

from tests.stacks import Stack
from tests.wire import Place


@pytest.fixture(params=["http", pytest.param("tls", marks=pytest.mark.production)])
def place(stack: Stack, request: pytest.FixtureRequest) -> Place:
    """Return where the profile listens: by plain HTTP, and once more by TLS."""
    return Place(stack.tls_url, stack.authority) if request.param == "tls" else Place(stack.base_url)
