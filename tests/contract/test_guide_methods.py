"""Chapter HTTP methods, through the front end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import pytest
import requests
from markupsafe import escape

from tests.site import Site

PAGE = "/methods/"
LOGIN = "/methods/login"
NAMES = [
    "mvl",
    "Zoë & Søn",
    "日本 👩‍🚀",
    "a/b",
    "/",
    "//evil.example",
    "..",
    "../../urls/admin",
    "a\\b",
    "100%",
    "%2F",
    "?nm=x#y;z",
    "a+b c",
    "<script>alert(1)</script>",
    "x" * 100,
]


@pytest.mark.parametrize("name", ["Zoë & Søn", "//evil.example"])
def test_a_name_is_welcomed_after_a_form_by_post(site: Site, name: str) -> None:
    response = site.attempt(PAGE, LOGIN, {"nm": name}, allow_redirects=True)
    assert [step.status_code for step in response.history] == [302]
    assert (response.status_code, response.text) == (
        200,
        f"welcome {escape(name)}",
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_welcomed_after_a_form_by_get(site: Site, name: str) -> None:
    response = site.get(LOGIN, params={"nm": name}, allow_redirects=True)
    assert [step.status_code for step in response.history] == [302]
    assert (response.status_code, response.text) == (
        200,
        f"welcome {escape(name)}",
    )


def test_an_ordinary_name_stands_in_the_path(site: Site) -> None:
    assert site.get(LOGIN, params={"nm": "mvl"}).headers["Location"].endswith("/methods/success/mvl")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"nm": "  "}, "Please enter a name."),
        ({"nm": "x" * 101}, "A name has at most 100 characters."),
    ],
)
def test_a_name_that_is_none_is_asked_for_again(site: Site, fields: dict[str, str], message: str) -> None:
    for response in (site.attempt(PAGE, LOGIN, fields), site.get(LOGIN, params=fields)):
        assert (response.status_code, f">{message}<" in response.text) == (400, True)


def test_a_form_without_its_token_is_refused(site: Site) -> None:
    assert site.post(LOGIN, data={"nm": "mvl"}).status_code == 400


def test_the_query_of_a_post_is_not_its_form(site: Site) -> None:
    response = site.attempt(PAGE, f"{LOGIN}?nm=query", {"nm": "form"}, allow_redirects=True)
    assert response.text == "welcome form"


def test_other_methods_of_login_are_refused_with_those_allowed(site: Site) -> None:
    response = site.put(LOGIN)
    assert response.status_code == 405
    assert methods(response) == {"GET", "HEAD", "OPTIONS", "POST"}


def methods(response: requests.Response) -> set[str]:
    return {name.strip() for name in response.headers["Allow"].split(",")}


@dataclass
class Resource:
    """An item that no other test has, with what a script sends along."""

    site: Site
    url: str
    headers: dict[str, str]

    def put(self, body: str | bytes, content_type: str = "text/plain; charset=utf-8") -> requests.Response:
        data = body.encode() if isinstance(body, str) else body
        return self.site.put(self.url, data=data, headers={**self.headers, "Content-Type": content_type})

    def delete(self) -> requests.Response:
        return self.site.delete(self.url, headers=self.headers)

    def get(self) -> requests.Response:
        return self.site.get(self.url)


@pytest.fixture
def item(site: Site) -> Iterator[Resource]:
    resource = Resource(site, f"/methods/item/{uuid4()}", {"X-CSRFToken": site.token(PAGE)})
    yield resource
    resource.delete()


def test_put_makes_then_replaces_and_delete_removes(item: Resource) -> None:
    assert item.get().status_code == 404
    assert item.put("first").status_code == 201
    assert item.put("second, Zoë").status_code == 204
    response = item.get()
    assert (response.status_code, response.content) == (200, "second, Zoë".encode())
    assert response.headers["Content-Type"].lower() == "text/plain; charset=utf-8"
    deleted = item.delete()
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert item.get().status_code == 404
    assert item.delete().status_code == 404


def test_markup_in_an_item_stays_plain_text(item: Resource) -> None:
    item.put("<script>alert(1)</script>")
    assert item.get().text == "<script>alert(1)</script>"
    assert item.get().headers["Content-Type"].startswith("text/plain")


def test_head_has_the_headers_of_get_and_no_body(item: Resource) -> None:
    item.put("twelve bytes")
    head = item.site.head(item.url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == "12"
    assert head.headers["Content-Type"] == item.get().headers["Content-Type"]


def test_options_lists_the_methods(item: Resource) -> None:
    response = item.site.options(item.url)
    assert response.status_code == 200
    assert methods(response) == {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}


@pytest.mark.parametrize("method", ["POST", "PATCH", "PROPFIND"])
def test_any_other_method_is_refused_with_those_allowed(item: Resource, method: str) -> None:
    response = item.site.request(method, item.url, headers=item.headers)
    assert response.status_code == 405
    assert methods(response) == {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}


def test_put_and_delete_without_the_token_change_nothing(item: Resource) -> None:
    item.put("kept")
    assert item.site.put(item.url, data=b"lost", headers={"Content-Type": "text/plain"}).status_code == 400
    assert item.site.delete(item.url).status_code == 400
    assert item.get().text == "kept"


def test_an_item_holds_ten_thousand_characters_and_no_more(item: Resource) -> None:
    assert item.put("é" * 10_000).status_code == 201
    assert item.put("é" * 10_001).status_code == 413
    assert item.get().text == "é" * 10_000


def test_an_empty_item_is_an_item(item: Resource) -> None:
    assert item.put("").status_code == 201
    assert (item.get().status_code, item.get().text) == (200, "")


@pytest.mark.parametrize("body", [b"\xff\xfe", b"caf\xe9", b"a\0b"])
def test_bytes_that_are_no_text_are_refused(item: Resource, body: bytes) -> None:
    assert item.put(body).status_code == 400
    assert item.get().status_code == 404


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/octet-stream"])
def test_a_body_of_another_type_is_refused(item: Resource, content_type: str) -> None:
    """A form's body would be parsed away and an empty item stored."""
    assert item.put("a=b", content_type).status_code == 415
    assert item.get().status_code == 404


def test_a_key_has_at_most_a_hundred_characters(site: Site) -> None:
    headers = {"X-CSRFToken": site.token(PAGE), "Content-Type": "text/plain"}
    key = f"{uuid4()}".ljust(100, "x")
    assert site.put(f"/methods/item/{key}", data=b"x", headers=headers).status_code == 201
    assert site.delete(f"/methods/item/{key}", headers=headers).status_code == 204
    for method in ("GET", "PUT", "DELETE"):
        response = site.request(method, f"/methods/item/{key}x", headers=headers)
        assert response.status_code == 414
        assert "A key has at most 100 characters." in response.text


def test_of_many_puts_at_once_one_makes_the_item(item: Resource) -> None:
    bodies = [f"body {number}" for number in range(16)]
    with ThreadPoolExecutor(len(bodies)) as pool:
        statuses = sorted(response.status_code for response in pool.map(item.put, bodies))
    assert statuses == [201] + [204] * 15
    assert item.get().text in bodies
