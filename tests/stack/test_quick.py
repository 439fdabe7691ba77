"""Issue 2, line 4: how long a person waits for a site whose images are built."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.stacks import Stack, copy_of_repository

pytestmark = [pytest.mark.alone, pytest.mark.shared]


# Seconds of processor time for `import app.wsgi` on the machine where these bounds were set.
IMPORT_SECONDS = 0.64
IMPORT = "import time, app.wsgi; print(time.process_time())"


def slowness(stack: Stack) -> float:
    """Return by what factor this machine is slower than that one, at least 1."""
    code = ["env", "PYTHONPATH=/srv/app", "/srv/app/venv/bin/python", "-c", IMPORT]
    return max(1.0, min(float(stack.execute(stack.app, *code)) for _ in range(3)) / IMPORT_SECONDS)


def seconds_up(stack: Stack) -> float:
    started = time.monotonic()
    stack.up()
    return time.monotonic() - started


def test_up_takes_10_s_and_after_a_change_of_one_file_8_s(profile: str, tmp_path: Path) -> None:
    stack = Stack(profile, copy_of_repository(tmp_path))
    try:
        stack.up()
        slower = slowness(stack)
        stack.make("down")
        assert seconds_up(stack) <= 10 * slower
        view = stack.folder / "app/guide/application.py"
        view.write_text(
            view.read_text(encoding="utf-8").replace("Hello World", "Hello Change"), encoding="utf-8"
        )
        assert seconds_up(stack) <= 8 * slower
        assert stack.site.get("/application/hello").text == "Hello Change"
    finally:
        stack.remove()
