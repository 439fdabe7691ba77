"""Chapter sessions, through the front end."""

from __future__ import annotations

import base64
import json

import pytest

from tests.site import Site

PAGE = "/sessions/"
LOGIN = "/sessions/login"
LOGOUT = "/sessions/logout"


def test_a_visitor_logs_in_and_out(site: Site) -> None:
    assert "<p>You are not logged in</p>" in site.get(PAGE).text
    response = site.submit(LOGIN, LOGIN, {"username": "admin"})
    assert response.status_code == 302
    assert response.headers["Location"].endswith(PAGE)
    assert "<p>Logged in as admin</p>" in site.get(PAGE).text
    response = site.submit(PAGE, LOGOUT)
    assert response.status_code == 302
    assert response.headers["Location"].endswith(PAGE)
    assert "<p>You are not logged in</p>" in site.get(PAGE).text


def test_a_link_to_logout_logs_nobody_out(site: Site) -> None:
    """GET is safe: a prefetch, or an image on another site, must change nothing."""
    site.submit(PAGE, LOGIN, {"username": "admin"})
    response = site.get(LOGOUT)
    assert response.status_code == 302
    assert response.headers["Location"].endswith(PAGE)
    assert "<p>Logged in as admin</p>" in site.get(PAGE).text


def test_a_name_is_shown_escaped(site: Site) -> None:
    site.submit(PAGE, LOGIN, {"username": "<b>Zoë</b>"})
    assert "<p>Logged in as &lt;b&gt;Zoë&lt;/b&gt;</p>" in site.get(PAGE).text


@pytest.mark.parametrize("fields", [{}, {"username": ""}, {"username": "  "}, {"username": "x" * 101}])
def test_without_a_name_nobody_is_logged_in(site: Site, fields: dict[str, str]) -> None:
    response = site.submit(PAGE, LOGIN, fields)
    assert response.status_code == 400
    assert ">Please enter a user name of 1 to 100 characters.<" in response.text
    assert "<p>You are not logged in</p>" in site.get(PAGE).text


@pytest.mark.parametrize("action", [LOGIN, LOGOUT])
def test_without_the_token_nothing_changes(site: Site, action: str) -> None:
    site.submit(PAGE, LOGIN, {"username": "ann"})
    assert site.post(action, data={"username": "eve"}).status_code == 400
    assert "<p>Logged in as ann</p>" in site.get(PAGE).text


def test_the_session_s_cookie_is_kept_from_scripts_and_other_sites(site: Site) -> None:
    response = site.submit(PAGE, LOGIN, {"username": "admin"})
    cookie = next(each for each in response.cookies if each.name == "session")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    assert cookie.secure is site.base_url.startswith("https:")


def test_a_forged_session_is_no_session(site: Site) -> None:
    payload = base64.urlsafe_b64encode(json.dumps({"username": "admin"}).encode()).decode().rstrip("=")
    site.cookies.set("session", f"{payload}.aSVhMA.AAAAAAAAAAAAAAAAAAAAAAAAAAA")
    assert "<p>You are not logged in</p>" in site.get(PAGE).text
