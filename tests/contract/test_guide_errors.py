"""Chapter redirects and errors, through the front end."""

from __future__ import annotations

import re

import pytest

from tests.site import Site

PAGE = "/errors/"
LOGIN = "/errors/login"
NAMES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    406: "Not Acceptable",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
}


def test_admin_is_redirected_to_success(site: Site) -> None:
    response = site.attempt(PAGE, LOGIN, {"username": "admin"})
    assert response.status_code == 302
    assert response.headers["Location"].endswith("/errors/success")
    success = site.get("/errors/success")
    assert (success.status_code, success.text) == (200, "logged in successfully")


@pytest.mark.parametrize("fields", [{}, {"username": "Admin"}])
def test_anybody_else_meets_the_401_page(site: Site, fields: dict[str, str]) -> None:
    response = site.attempt(PAGE, LOGIN, fields)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Form realm="Errors chapter"'
    assert "Only the user admin may log in here." in response.text
    assert 'id="served-by"' in response.text


def test_login_without_the_token_is_refused(site: Site) -> None:
    assert site.post(LOGIN, data={"username": "admin"}).status_code == 400


def test_login_by_get_leads_to_the_form(site: Site) -> None:
    response = site.get(LOGIN)
    assert response.status_code == 302
    assert response.headers["Location"].endswith("/errors/")


@pytest.mark.parametrize("code", NAMES)
def test_abort_answers_with_the_site_s_own_page(site: Site, code: int) -> None:
    response = site.get(f"/errors/abort/{code}", headers={"Accept": "text/html"})
    assert response.status_code == code
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    heading = re.search(r"<h1>(.*?)</h1>", response.text)
    assert heading
    assert re.sub("<[^>]+>", "", heading[1]) == f"{code} {NAMES[code]}"
    assert 'id="served-by"' in response.text


@pytest.mark.parametrize("code", NAMES)
def test_abort_answers_with_json_where_that_is_preferred(site: Site, code: int) -> None:
    response = site.get(f"/errors/abort/{code}", headers={"Accept": "application/json"})
    assert response.status_code == code
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["status"] == code
    assert response.json()["error"] == NAMES[code]
    assert response.json()["detail"]


def test_abort_says_how_to_log_in_and_when_to_come_back(site: Site) -> None:
    challenge = site.get("/errors/abort/401").headers["WWW-Authenticate"]
    assert challenge == 'Form realm="Errors chapter"'
    assert site.get("/errors/abort/429").headers["Retry-After"] == "60"


@pytest.mark.parametrize("code", ["200", "301", "405", "500", "503", "999", "0", "abc", ""])
def test_abort_knows_no_other_codes(site: Site, code: str) -> None:
    assert site.get(f"/errors/abort/{code}").status_code == 404


@pytest.mark.parametrize("code", [301, 302, 303, 305, 307, 308])
def test_redirect_answers_with_a_location(site: Site, code: int) -> None:
    response = site.get(f"/errors/redirect/{code}")
    assert response.status_code == code
    assert response.headers["Location"].endswith("/errors/")


def test_300_offers_a_choice(site: Site) -> None:
    response = site.get("/errors/redirect/300")
    assert response.status_code == 300
    assert "Location" not in response.headers
    assert f'<li><a href="{site.prefix}/errors/">' in response.text
    assert f'<li><a href="{site.prefix}/">' in response.text


def test_304_has_neither_body_nor_location(site: Site) -> None:
    response = site.get("/errors/redirect/304")
    assert (response.status_code, response.content) == (304, b"")
    assert "Location" not in response.headers


@pytest.mark.parametrize("code", ["306", "200", "404", "309", "abc", ""])
def test_redirect_knows_no_other_codes(site: Site, code: str) -> None:
    response = site.get(f"/errors/redirect/{code}")
    assert response.status_code == 404
    assert "Location" not in response.headers
