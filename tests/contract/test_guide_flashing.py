"""Chapter message flashing, through the front end."""

from __future__ import annotations

import re

import pytest

from tests.site import Site

PAGE = "/flashing/"
LOGIN = "/flashing/login"
INVALID = "Invalid username or password. Please try again!"


def shown(page: str) -> dict[str, list[str]]:
    """The messages under each of the page's three filters."""
    filters = ("all", "errors", "others")
    boxes = {name: re.search(rf'<div id="{name}">(.*?)</div>', page, re.S) for name in filters}
    return {name: re.findall(r'class="flash \w+">(.*?)</p>', box[1]) for name, box in boxes.items() if box}


def test_a_login_is_told_on_the_next_page_and_only_there(site: Site) -> None:
    response = site.attempt(LOGIN, LOGIN, {"username": "admin", "password": "admin"})
    assert response.status_code == 302
    assert response.headers["Location"].endswith(PAGE)
    message = "info: You were successfully logged in"
    assert shown(site.get(PAGE).text) == {"all": [message], "errors": [], "others": [message]}
    assert "You were successfully logged in</p>" not in site.get(PAGE).text


def test_a_message_waits_for_whatever_page_comes_next(site: Site) -> None:
    site.attempt(LOGIN, LOGIN, {"username": "admin", "password": "admin"})
    page = site.get("/").text
    assert '<p role="status" class="flash info">You were successfully logged in</p>' in page


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "ann <b>", "password": "admin"},
        {"username": "admin", "password": "Admin"},
    ],
)
def test_a_wrong_login_shows_the_form_again_with_the_name(site: Site, fields: dict[str, str]) -> None:
    response = site.attempt(LOGIN, LOGIN, fields)
    assert response.status_code == 200
    assert INVALID in response.text
    name = fields.get("username", "").replace("<", "&lt;").replace(">", "&gt;")
    assert f'name="username" value="{name}"' in response.text
    assert re.search(r'<input type="password"[^>]*>', response.text)
    assert not re.search(r'<input type="password"[^>]*value=', response.text)
    assert shown(site.get(PAGE).text)["all"] == []


def test_the_filter_parts_the_categories(site: Site) -> None:
    token = site.token(LOGIN)
    for category in ("error", "info", "warning"):
        fields = {"csrf_token": token, "message": f"<{category}>", "category": category}
        response = site.post("/flashing/message", data=fields)
        assert response.status_code == 302
    error, info, warning = (f"{name}: &lt;{name}&gt;" for name in ("error", "info", "warning"))
    assert shown(site.get(PAGE).text) == {
        "all": [error, info, warning],
        "errors": [error],
        "others": [info, warning],
    }


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"message": "", "category": "info"},
        {"message": "x" * 201, "category": "info"},
        {"message": "x", "category": "fatal"},
    ],
)
def test_a_message_that_is_none_is_refused(site: Site, fields: dict[str, str]) -> None:
    response = site.submit(PAGE, "/flashing/message", fields)
    assert response.status_code == 400
    problem = "error: Please choose a category, and enter a message of 1 to 200 characters."
    assert shown(response.text)["all"] == [problem]


@pytest.mark.parametrize("action", [LOGIN, "/flashing/message"])
def test_without_the_token_nothing_is_flashed(site: Site, action: str) -> None:
    fields = {"username": "admin", "password": "admin", "message": "x", "category": "info"}
    assert site.post(action, data=fields).status_code == 400
    assert shown(site.get(PAGE).text)["all"] == []
