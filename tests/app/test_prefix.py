"""app/prefix.py: the application below a prefix (T6)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.config import Settings
from app.database import init_db
from app.guide import CHAPTERS
from servers import error_pages

ROOT = "http://localhost"


@pytest.fixture
def below(settings: Settings) -> FlaskClient:
    app: Flask = create_app(replace(settings, prefix="/guide", test_views=True))
    app.config.update(TESTING=True)
    with app.app_context():
        init_db()
    return app.test_client()


def get(client: FlaskClient, path: str) -> TestResponse:
    return client.get(path, base_url=ROOT)


@pytest.mark.parametrize("path", ["/guide/test/echo", "/guide/test/echo/guide/x"])
def test_T6_prefix_is_the_script_name(below: FlaskClient, path: str) -> None:
    seen = get(below, path).json
    assert seen
    assert (seen["script_name"], seen["path_info"]) == ("/guide", path.removeprefix("/guide"))


@pytest.mark.parametrize(
    "path", ["/", "/test/echo", "/guidex/test/echo", "/GUIDE/test/echo", "/static/site.css"]
)
def test_T6_outside_the_prefix_is_not_the_applications(below: FlaskClient, path: str) -> None:
    assert get(below, path).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_T6_probes_stay_at_the_root_alone(below: FlaskClient, path: str) -> None:
    assert get(below, path).status_code == 200
    assert get(below, f"/guide{path}").status_code == 404


def test_T6_every_link_and_form_of_every_chapter_stays_below_the_prefix(below: FlaskClient) -> None:
    for path in ("/", *(f"/{chapter.slug}/" for chapter in CHAPTERS)):
        page = get(below, f"/guide{path}")
        if page.status_code == 302:  # the chapter's page is another of its addresses
            assert page.headers["Location"].startswith("/guide/"), path
            page = get(below, page.headers["Location"])
        assert page.status_code == 200, path
        targets = re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text)
        assert targets, path
        assert [target for target in targets if not target.startswith("/guide/")] == [], path


def test_T6_the_prefix_alone_leads_to_the_index(below: FlaskClient) -> None:
    page = below.get("/guide", base_url=ROOT, follow_redirects=True)
    assert page.status_code == 200
    assert "/guide/application/" in page.text


def test_T6_cookies_are_for_the_prefix_alone(below: FlaskClient) -> None:
    page = get(below, "/guide/sessions/")
    assert "Path=/guide" in page.headers["Set-Cookie"]


def test_T6_error_pages_of_the_front_ends_link_below_the_prefix(tmp_path: Path) -> None:
    error_pages.write(tmp_path, prefix="/guide")
    targets = re.findall(r'(?:href|src)="(/[^"]*)"', (tmp_path / "502.html").read_text(encoding="utf-8"))
    assert "/guide/static/site.css" in targets
    assert all(target.startswith("/guide/") for target in targets)
