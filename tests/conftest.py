"""What every kind of test shares: the profiles, their stacks, and the report of a failure.

``--profiles apache,nginx`` chooses profiles; ``--base-url URL`` tests a site that runs already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import differences, faults
from tests.profiles import PRODUCTION, PROFILES, Profile, sibling
from tests.site import Site

if TYPE_CHECKING:
    from tests.stacks import Stack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--base-url", help="test the site at this address instead of starting stacks")
    parser.addoption("--attach", help="the file of a stack that runs already (tests/prove_config.py)")
    parser.addoption(
        "--of", choices=("profiles", "none"), help="only tests of the chosen profiles, or of none"
    )
    parser.addoption("--profiles", default=",".join(PROFILES), help="the profiles to test, by comma")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: holds a time; runs with nothing beside it")
    config.addinivalue_line("markers", "at_length: left out of a run of all: `make test-host` asks it")
    config.addinivalue_line("markers", "production: for the profiles that are meant for production")
    config.addinivalue_line("markers", "front_end: of its files alone; one profile that has them shows it")
    config.addinivalue_line(
        "markers", "shared: of what a variant's files share with its sibling's; one shows it"
    )
    config.addinivalue_line(
        "markers", "server: of its application server alone; one profile that has it shows it"
    )
    config.pluginmanager.register(faults)


def chosen(config: pytest.Config) -> list[str]:
    """Return the names of the chosen profiles."""
    return str(config.getoption("--profiles")).split(",")


DECLARED = differences.declared()
# By mark: what one profile shows for all that have the same. Shared is with that of which both are variants.
SAME: dict[str, Callable[[Profile], str]] = {
    "shared": lambda profile: sibling(profile.front),
    "front_end": lambda profile: profile.front,
    "server": lambda profile: profile.server,
}


def is_meant(test: pytest.Function, profile: Profile, asked: list[Profile]) -> bool:
    """Return whether the marks of a test ask it of a profile, of those that are asked."""
    marks = {mark.name for mark in test.iter_markers()}
    if "production" in marks and profile.name not in PRODUCTION:
        return False

    def showing(mark: str) -> Profile:
        """Return which of those alike shows it: the first, and no variant where there is another."""
        alike = [one for one in asked if SAME[mark](one) == SAME[mark](profile)]
        return min(alike, key=lambda one: one.front != sibling(one.front))

    if all(profile == showing(mark) for mark in SAME.keys() & marks):
        return True
    # What it does otherwise, nobody else shows.
    return any(
        one.test.partition("[")[0] == test.originalname
        and one.concerns(profile.name)
        and not one.concerns(showing("shared").name)
        for one in DECLARED
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each chosen profile; its tests stay on one worker (if it is alone: a module's)."""
    if "profile" in metafunc.fixturenames:
        names = chosen(metafunc.config)
        module = f" {metafunc.module.__name__}" if len(names) == 1 else ""
        asked = [PROFILES[name] for name in names]
        # Here already: what is left out later takes its time to be made. None at all would be a skip.
        meant = [one.name for one in asked if is_meant(metafunc.definition, one, asked)] or names[:1]
        marked = [pytest.param(name, marks=pytest.mark.xdist_group(name + module)) for name in meant]
        metafunc.parametrize("profile", marked, scope="session")


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the tests profile by profile, those of a module together, and in it those of a function.

    pytest takes turns between modules and functions once a profile is a session's parameter: it would make
    anew for each test what a module's fixture provides, stacks too.
    """
    profiles = {name: number for number, name in enumerate(PROFILES)}
    modules, functions = dict[str, int](), dict[str, int]()

    def place(item: pytest.Item) -> tuple[int, int, int]:
        parameters = getattr(item, "callspec").params if hasattr(item, "callspec") else {}  # noqa: B009
        function = item.nodeid.partition("[")[0]
        module = function.partition("::")[0]
        return (
            # "server": of tests/host/, which is no stack
            profiles.get(str(parameters.get("profile", parameters.get("server"))), -1),
            modules.setdefault(module, len(modules)),
            functions.setdefault(function, len(functions)),
        )

    return sorted(items, key=place)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not meant for a profile, and have declared differences fail.

    What is left out is no test of that profile, so it is not skipped; differences.csv says why.
    """

    asked = [PROFILES[name] for name in chosen(config)]

    def kept_for(item: pytest.Item) -> bool:
        if not isinstance(item, pytest.Function) or "profile" not in item.fixturenames:
            return True
        return is_meant(item, PROFILES[str(item.callspec.params["profile"])], asked)

    kept = in_order(filter(kept_for, items))
    # A stack that is there is asked nothing by the tests of no profile.
    only = "profiles" if config.getoption("--attach") else config.getoption("--of")
    if only:
        kept = [
            item for item in kept if ("profile" in getattr(item, "fixturenames", ())) == (only == "profiles")
        ]
    left_out = set(items).difference(kept)
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = kept
    differences.expect(items)


@pytest.fixture(scope="session")
def stack(profile: str, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Start the profile's stack; it serves all tests of the profile and is gone afterwards."""
    from tests.stacks import Stack

    assert not request.config.getoption("--base-url"), "this test needs a stack of its own: drop --base-url"
    attach = request.config.getoption("--attach")
    if attach:
        yield Stack.attached(json.loads(Path(attach).read_text(encoding="utf-8")))
        return
    stack = Stack(profile)
    try:
        stack.up()
        yield stack
    finally:
        stack.remove()


@pytest.fixture(scope="session")
def base_url(profile: str, request: pytest.FixtureRequest) -> str:  # noqa: ARG001  parametrises
    """Return the address of the site under test."""
    given = request.config.getoption("--base-url")
    return str(given or request.getfixturevalue("stack").base_url)


@pytest.fixture
def site(base_url: str) -> Iterator[Site]:
    """Visit the site under test, with cookies of one's own."""
    with Site(base_url) as site:
        yield site


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Add the containers' logs and the effective configuration to the report of a failed test."""
    report = yield
    if report.failed and call.when == "call":
        from tests.stacks import Stack

        # Some tests have another stack than the fixture `stack`.
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Stack):
                report.sections += value.report()
    return report
