"""app/log.py: every line is JSON, and names the request that it is about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

ID = "0123456789abcdef0123456789abcdef"
PROGRAM = f"""
import logging, warnings
from app.wsgi import application

@application.get("/warn")
def warn():
    application.logger.warning("odd: %s", "\\x00 \\udcff ü\\nsecond line")
    return ""

@application.get("/fail")
def fail():
    raise RuntimeError("broken")

client = application.test_client()
for path in ("/healthz", "/warn", "/fail"):
    client.get(path, headers={{"X-Request-ID": "{ID}"}})
logging.getLogger("werkzeug").info('127.0.0.1 - - [now] "GET /healthz HTTP/1.1" 200 -')
warnings.warn("old")
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("log")
    (folder / "secret").write_text("0123456789abcdef" * 2)
    environ = {
        **os.environ,
        "APP_SECRET_KEY_FILE": str(folder / "secret"),
        "APP_DATA_FOLDER": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    assert not done.stdout
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_each_line_says_when_how_bad_who_and_what(lines: list[dict[str, Any]]) -> None:
    assert [line["logger"] for line in lines] == ["app", "app", "py.warnings"]
    assert [line["level"] for line in lines] == ["WARNING", "ERROR", "WARNING"]
    assert all(datetime.fromisoformat(line["time"]).tzinfo for line in lines)
    assert lines[0]["message"] == "odd: \x00 \udcff ü\nsecond line"


def test_each_line_names_its_request(lines: list[dict[str, Any]]) -> None:
    assert [line["request_id"] for line in lines] == [ID, ID, ""]


def test_a_fault_carries_its_traceback(lines: list[dict[str, Any]]) -> None:
    assert lines[1]["exception"].startswith("Traceback")
    assert lines[1]["exception"].endswith("RuntimeError: broken")


def test_a_probe_leaves_no_line(lines: list[dict[str, Any]]) -> None:
    assert not any("/healthz" in line["message"] for line in lines)
