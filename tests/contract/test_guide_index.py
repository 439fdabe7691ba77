"""The index, the health checks and the error pages, through the front end."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest

from app.guide import CHAPTERS
from tests.site import Site


def test_the_index_leads_to_every_chapter_in_order(site: Site) -> None:
    response = site.get("/")
    assert response.status_code == 200
    cards = re.search(r'<ol id="chapters".*?</ol>', response.text, re.S)
    assert cards
    links = re.findall(r'<a href="([^"]+)">', cards[0])
    assert links == [f"{site.prefix}/{chapter.slug}/" for chapter in CHAPTERS]
    assert [site.get(urljoin(response.url, link)).status_code for link in links] == [200] * len(CHAPTERS)


def test_every_page_says_what_served_it(site: Site) -> None:
    line = re.search(r'<small id="served-by">(.*?)</small>', site.get("/").text)
    assert line
    text = re.sub("<[^>]+>", "", line[1])
    assert re.fullmatch(r"Served by .+ through .+ to .+, process \d+", text)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_health_check_answers(site: Site, path: str) -> None:
    response = site.get(urljoin(site.base_url, path))  # at the root, also of a site below a prefix
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {"status": "ok"}


@pytest.mark.parametrize("accept", ["text/html", "*/*", "text/html, application/json;q=0.9", "image/png"])
def test_not_found_is_a_page_of_the_site(site: Site, accept: str) -> None:
    response = site.get("/no/such/page", headers={"Accept": accept})
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<title>404 Not Found · Flask, deployed</title>" in response.text
    assert f'<a href="{site.prefix}/">Go to the chapters</a>' in response.text


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/html;q=0.9"])
def test_not_found_is_json_where_that_is_preferred(site: Site, accept: str) -> None:
    response = site.get("/no/such/page", headers={"Accept": accept})
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert (body["status"], body["error"]) == (404, "Not Found")
    assert body["detail"]


def test_the_form_of_an_error_varies_with_what_the_client_accepts(site: Site) -> None:
    assert "Accept" in [name.strip() for name in site.get("/no/such/page").headers["Vary"].split(",")]


def test_a_method_without_a_view_is_refused_with_those_allowed(site: Site) -> None:
    response = site.delete("/")
    assert response.status_code == 405
    assert {name.strip() for name in response.headers["Allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}


def test_icon_is_found_where_browsers_look_for_it(site: Site) -> None:
    assert site.get("/favicon.ico", allow_redirects=True).headers["Content-Type"].startswith("image/svg+xml")
