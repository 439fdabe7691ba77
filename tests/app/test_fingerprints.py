"""app/fingerprints.py: pages name the copies that a browser may keep for ever, where there are such."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings

NAMES = {
    "site.css": "site-0123456789abcdef0123456789abcdef.css",
    "vendor/jquery.min.js": "vendor/jquery.min-0123456789abcdef0123456789abcdef.js",
}


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> FlaskClient:
    (tmp_path / "cache_manifest.json").write_text(json.dumps(NAMES))
    return create_app(replace(settings, static_folder=tmp_path)).test_client()


@pytest.mark.parametrize(("page", "file"), [("/", "site.css"), ("/sijax/hello", "vendor/jquery.min.js")])
def test_pages_name_the_copy_of_the_manifest(client: FlaskClient, page: str, file: str) -> None:
    text = client.get(page).text
    assert f'"/static/{NAMES[file]}"' in text
    assert f'"/static/{file}"' not in text


def test_a_file_that_the_manifest_does_not_know_keeps_its_name(client: FlaskClient) -> None:
    assert '"/static/icon.svg"' in client.get("/").text


def test_the_icon_s_redirect_is_not_kept_for_ever(client: FlaskClient) -> None:
    """It leads to a name that the next release may not have."""
    assert client.get("/favicon.ico").status_code == 302
