"""servers/error_pages.py: what the front ends answer with where the application does not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from werkzeug.exceptions import default_exceptions

from app.errors import as_dict
from servers.error_pages import DETAILS, REQUEST_ID, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "errors"
    write(folder)
    return folder


ROOT = Path(__file__).parents[2]
PAGES = pytest.mark.parametrize("place", [".", "plain"])


@PAGES
@pytest.mark.parametrize("status", DETAILS)
def test_each_status_has_a_page_with_one_sentence_and_the_request_s_id(
    folder: Path, place: str, status: int
) -> None:
    page = (folder / place / f"{status}.html").read_text()
    assert f"<h1>{status} " in page
    assert f"<p>{DETAILS[status]}</p>" in page
    assert page.count(REQUEST_ID) == 1
    assert page.replace(REQUEST_ID, "").isascii() or 'charset="utf-8"' in page


@pytest.mark.parametrize("status", DETAILS)
def test_each_status_is_json_as_the_application_s_own(folder: Path, status: int) -> None:
    data = json.loads((folder / f"{status}.json").read_text().replace(REQUEST_ID, "0" * 32))
    error = default_exceptions[status](description=DETAILS[status])
    assert data == as_dict(error, "0" * 32)


@PAGES
@pytest.mark.parametrize("status", DETAILS)
def test_a_page_keeps_to_the_strictest_policy_and_names_no_process(
    folder: Path, place: str, status: int
) -> None:
    """The policy of the front ends' own answers has neither scripts nor inline styles."""
    page = (folder / place / f"{status}.html").read_text()
    assert not re.search(r"<script|<style|<[^>]+ (style|on\w+)=", page)
    assert "served-by" not in page
    assert set(re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)) == {
        "/static/vendor/pico.classless.min.css",
        "/static/site.css",
    }


@pytest.mark.parametrize("status", DETAILS)
def test_a_plain_page_has_nothing_of_our_site(folder: Path, status: int) -> None:
    page = (folder / "plain" / f"{status}.html").read_text()
    assert not re.search("Flask|hapter", page)
    assert set(re.findall(r'<a href="([^"]+)"', page)) == {"/"}


@PAGES
def test_the_pages_use_the_fingerprinted_names(tmp_path: Path, place: str) -> None:
    (tmp_path / "cache_manifest.json").write_text(json.dumps({"site.css": "site-0123.css"}))
    write(tmp_path / "errors", tmp_path)
    assert 'href="/static/site-0123.css"' in (tmp_path / "errors" / place / "502.html").read_text()


def test_the_pages_do_not_change_with_the_application_s_code(tmp_path: Path) -> None:
    """What an image has of it when they are made; an edited view would have them made anew."""
    shutil.copytree(ROOT / "app/templates", tmp_path / "app/templates")
    (tmp_path / "servers").mkdir()
    shutil.copy(ROOT / "servers/error_pages.py", tmp_path / "servers")
    command = [sys.executable, "servers/error_pages.py", "pages"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert "Flask, deployed" in (tmp_path / "pages/502.html").read_text()


def test_the_command_needs_no_setting(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("APP_", "MAIL_"))}
    command = [sys.executable, "servers/error_pages.py", str(tmp_path)]
    subprocess.run(command, env=environ, check=True, timeout=60)
    assert len(list(tmp_path.glob("*.*"))) == 2 * len(DETAILS)
    assert len(list(tmp_path.glob("plain/*.html"))) == len(DETAILS)
