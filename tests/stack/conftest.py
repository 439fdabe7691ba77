"""What the tests of whole stacks share: two ways in, a stack that may be edited, the table of faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from tests.faults import Load
from tests.stacks import Stack, copy_of_repository
from tests.wire import Place


@pytest.fixture(params=["http", pytest.param("tls", marks=pytest.mark.production)])
def place(stack: Stack, request: pytest.FixtureRequest) -> Place:
    """Return where the profile listens: by plain HTTP, and once more by TLS."""
    return Place(stack.tls_url, stack.authority) if request.param == "tls" else Place(stack.base_url)


# Uploads and the application's temporary files have a little memory, so that a test can fill them.
SMALL_DISK = """
services:
  {service}:
    tmpfs: ["/var/lib/app/uploads:uid=10001,gid=10001,size=32m", "/tmp:mode=1777,size=32m"]
"""


REMOVALS = ThreadPoolExecutor(1)


@pytest.fixture(scope="session")
def leaving() -> Iterator[list[Future[None]]]:
    """Hold the removal of each stack that goes while the next one starts; at the end none is left."""
    removals: list[Future[None]] = []
    yield removals
    for one in removals:
        one.result()


@pytest.fixture(scope="session")
def editable(
    profile: str, tmp_path_factory: pytest.TempPathFactory, leaving: list[Future[None]]
) -> Iterator[Stack]:
    """Start a stack that a test may edit, stop and replace: from a checkout of its own, with a small disk."""
    stack = Stack(profile, copy_of_repository(tmp_path_factory.mktemp(profile)), mail=False)
    override = stack.folder / "small-disk.yaml"
    override.write_text(SMALL_DISK.format(service=stack.profile.app_service), encoding="utf-8")
    stack.compose_files.append(override.name)
    try:
        stack.up()
        wait(leaving)  # what is alone has nothing beside it
        yield stack
    finally:
        leaving.append(REMOVALS.submit(stack.remove))


@pytest.fixture
def note(profile: str, record_property: Callable[[str, object], None]) -> Callable[[str, Load], None]:
    """Return what writes a fault and its load into the table at the run's end."""

    def note(fault: str, load: Load) -> None:
        cell = f"{len(load.failures)} of {len(load.visits)}, {load.longest_gap:.1f} s"
        record_property("fault", f"{fault} | {profile} | {cell}")

    return note
