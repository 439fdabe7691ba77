"""What every kind of test shares: the site under test, by --base-url or from a stack of its own."""

from __future__ import annotations

import pytest

from tests.site import Site


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--base-url", help="test the site at this address instead of starting stacks")


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--base-url"))


@pytest.fixture
def site(base_url: str) -> Site:
    return Site(base_url)
