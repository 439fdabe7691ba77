"""Chapter cookies, through the front end."""

from __future__ import annotations

import re
import time

import pytest
from markupsafe import escape

from tests.site import Site

PAGE = "/cookies/"
SET = "/cookies/setcookie"
GET = "/cookies/getcookie"


@pytest.mark.parametrize(
    "name",
    ["admin", "Zoë Øst", "日本語", 'a; Path=/x, "b" \\ =c', "50%25", "a+b", "<b>x</b>", "x" * 100, "é" * 100],
)
def test_a_user_id_comes_back_as_it_was(site: Site, name: str) -> None:
    assert site.submit(PAGE, SET, {"nm": name}).status_code == 200
    response = site.get(GET)
    assert (response.status_code, response.text) == (
        200,
        f"welcome {escape(name)}",
    )


def test_the_cookie_has_the_attributes_that_the_page_shows(site: Site) -> None:
    before = time.time()
    response = site.submit(PAGE, SET, {"nm": "admin"})
    cookie = next(each for each in response.cookies if each.name == "userID")
    tls = site.base_url.startswith("https:")
    assert cookie.value == "admin"
    assert cookie.path == f"{site.prefix}/"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    assert cookie.secure is tls
    assert cookie.expires is not None
    assert abs(cookie.expires - before - 3600) < 60
    shown = dict(re.findall(r'<tr><th scope="row">(\w+)</th><td>(.*?)</td>', response.text))
    expires = re.search(r"userID=[^,]*Expires=([^;]+ GMT)", response.headers["Set-Cookie"])
    assert expires
    assert shown == {
        "Expires": expires[1],
        "Path": f"{site.prefix}/",
        "HttpOnly": "yes",
        "SameSite": "Lax",
        "Secure": "yes" if tls else "no: this request did not come by TLS",
    }


@pytest.mark.parametrize("fields", [{}, {"nm": ""}, {"nm": "  "}, {"nm": "x" * 101}])
def test_without_a_user_id_no_cookie_is_set(site: Site, fields: dict[str, str]) -> None:
    response = site.submit(PAGE, SET, fields)
    assert response.status_code == 400
    assert ">Please enter a user ID of 1 to 100 characters.<" in response.text
    assert "userID" not in site.cookies


def test_setcookie_without_the_token_is_refused(site: Site) -> None:
    assert site.post(SET, data={"nm": "admin"}).status_code == 400


def test_setcookie_by_get_leads_to_the_form(site: Site) -> None:
    response = site.get(SET)
    assert response.status_code == 302
    assert response.headers["Location"].endswith("/cookies/")


def test_getcookie_without_a_cookie_says_so(site: Site) -> None:
    response = site.get(GET)
    assert response.status_code == 404
    assert "This request carried no cookie named userID." in response.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("<script>alert(1)</script>", "welcome &lt;script&gt;alert(1)&lt;/script&gt;"),
        ("%FF", "welcome \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_cookie_that_the_visitor_made_is_input_like_any_other(site: Site, value: str, text: str) -> None:
    response = site.get(GET, headers={"Cookie": f"userID={value}"})
    assert (response.status_code, response.text) == (200, text)
