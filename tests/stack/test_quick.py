"""Issue 2, line 4: how long a person waits for a site whose images are built.

The quickest of up to three is taken: what a start costs is the stack's, what it costs more is the machine's.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.stacks import Stack, copy_of_repository

pytestmark = [pytest.mark.alone, pytest.mark.shared]


def seconds_up(stack: Stack) -> float:
    started = time.monotonic()
    stack.up()
    return time.monotonic() - started


def test_up_takes_10_s_and_after_a_change_of_one_file_8_s(profile: str, tmp_path: Path) -> None:
    stack = Stack(profile, copy_of_repository(tmp_path))
    view = stack.folder / "app/guide/application.py"
    source = view.read_text(encoding="utf-8")
    starts, changes = [], []
    try:
        stack.up()
        for change in ("first", "second", "third"):
            stack.make("down")
            starts.append(seconds_up(stack))
            stack.settle()  # nobody has edited a file while the others of its processes still load
            view.write_text(source.replace("Hello World", f"Hello {change}"), encoding="utf-8")
            changes.append(seconds_up(stack))
            assert stack.site.get("/application/hello").text == f"Hello {change}"
            if min(starts) <= 10 and min(changes) <= 8:
                break
        assert min(starts) <= 10, starts
        assert min(changes) <= 8, changes
    finally:
        stack.remove()
