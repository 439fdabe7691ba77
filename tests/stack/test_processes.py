"""docs/processes.md: as many processes of the application as are asked for, and what they need."""

from __future__ import annotations

import pytest

from tests.stacks import Stack, until

pytestmark = [
    pytest.mark.xdist_group("faults"), pytest.mark.production, pytest.mark.server, pytest.mark.front_end,
]  # fmt: skip

MEBIBYTES = 2**20


def answering(stack: Stack, number: int) -> set[int]:
    """Return the processes that answer, once there are so many."""
    found: set[int] = set()

    def there() -> bool:
        nonlocal found
        found = {*stack.workers()}
        return len(found) == number

    until(there, f"{number} processes answer")
    return found


def test_application_has_as_many_processes_as_are_asked_for(editable: Stack) -> None:
    try:
        editable.make("up", WEB_CONCURRENCY="3")
        before = answering(editable, 3)
        allowed = editable.app.attrs["HostConfig"]
        assert allowed["Memory"] == (512 + 120) * MEBIBYTES
        assert allowed["PidsLimit"] in {100 + 40, 2000 + 256}
        editable.make("reload")
        until(lambda: not before & {*editable.workers()}, "the old ones have ended")
        answering(editable, 3)
        editable.make("up", WEB_CONCURRENCY="3", APP_MEMORY="700m")
        assert editable.app.attrs["HostConfig"]["Memory"] == 700 * MEBIBYTES
    finally:
        editable.up()
    answering(editable, 2)
    assert editable.app.attrs["HostConfig"]["Memory"] == 512 * MEBIBYTES
