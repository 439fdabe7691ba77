"""Chapter sessions, through the front end."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.site import Site

PAGE = "/sessions/"
LOGIN = "/sessions/login"
LOGOUT = "/sessions/logout"


@pytest.fixture(scope="module")
def ann(base_url: str) -> Iterator[Site]:
    """A visitor who has logged in, once for the tests that need no more."""
    with Site(base_url) as ann:
        assert ann.attempt(PAGE, LOGIN, {"username": "ann"}).status_code == 302
        yield ann


def test_a_visitor_logs_in_and_out(site: Site) -> None:
    assert "<p>You are not logged in</p>" in site.get(PAGE).text
    response = site.attempt(LOGIN, LOGIN, {"username": "<b>Zoë</b>"})
    assert response.status_code == 302
    assert response.headers["Location"].endswith(PAGE)
    assert "<p>Logged in as &lt;b&gt;Zoë&lt;/b&gt;</p>" in site.get(PAGE).text
    response = site.submit(PAGE, LOGOUT)
    assert response.status_code == 302
    assert response.headers["Location"].endswith(PAGE)
    assert "<p>You are not logged in</p>" in site.get(PAGE).text


def test_a_link_to_logout_logs_nobody_out(ann: Site) -> None:
    """GET is safe: a prefetch, or an image on another site, must change nothing."""
    response = ann.get(LOGOUT)
    assert response.status_code == 302
    assert response.headers["Location"].endswith(PAGE)
    assert "<p>Logged in as ann</p>" in ann.get(PAGE).text


@pytest.mark.parametrize("username", ["  ", "x" * 101])
def test_without_a_name_nobody_is_logged_in(site: Site, username: str) -> None:
    response = site.attempt(PAGE, LOGIN, {"username": username})
    assert response.status_code == 400
    assert ">Please enter a user name of 1 to 100 characters.<" in response.text
    assert "<p>You are not logged in</p>" in site.get(PAGE).text


@pytest.mark.parametrize("action", [LOGIN, LOGOUT])
def test_without_the_token_nothing_changes(ann: Site, action: str) -> None:
    assert ann.post(action, data={"username": "eve"}).status_code == 400
    assert "<p>Logged in as ann</p>" in ann.get(PAGE).text


def test_the_session_s_cookie_is_kept_from_scripts_and_other_sites(ann: Site) -> None:
    cookie = next(each for each in ann.cookies if each.name == "session")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    assert cookie.secure is ann.base_url.startswith("https:")


def test_a_forged_session_is_no_session(site: Site) -> None:
    payload = base64.urlsafe_b64encode(json.dumps({"username": "admin"}).encode()).decode().rstrip("=")
    site.cookies.set("session", f"{payload}.aSVhMA.AAAAAAAAAAAAAAAAAAAAAAAAAAA")
    assert "<p>You are not logged in</p>" in site.get(PAGE).text
