"""Issue 2, line 4: how long a person waits for a site whose images are built."""

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
    try:
        stack.up()
        stack.make("down")
        assert seconds_up(stack) <= 10
        stack.settle()  # nobody has edited a file while the others of its processes still load
        view = stack.folder / "app/guide/application.py"
        view.write_text(
            view.read_text(encoding="utf-8").replace("Hello World", "Hello Change"), encoding="utf-8"
        )
        assert seconds_up(stack) <= 8
        assert stack.site.get("/application/hello").text == "Hello Change"
    finally:
        stack.remove()
