"""Chapter cookies, in process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize(
    ("base_url", "path", "secure"),
    [("http://example.org", "/", False), ("https://example.org/guide", "/guide/", True)],
)
def test_attributes_follow_the_request(client: FlaskClient, base_url: str, path: str, secure: bool) -> None:
    response = client.post("/cookies/setcookie", data={"nm": "Zoë; Path=/x"}, base_url=base_url)
    cookie = SimpleCookie(response.headers["Set-Cookie"])["userID"]
    assert cookie.value == "Zo%C3%AB%3B%20Path%3D%2Fx"
    assert (cookie["path"], bool(cookie["secure"])) == (path, secure)
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    expires = datetime.strptime(cookie["expires"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert timedelta(minutes=59) < expires - datetime.now(UTC) <= timedelta(hours=1)


def test_getcookie_welcomes_whom_setcookie_named(client: FlaskClient) -> None:
    client.post("/cookies/setcookie", data={"nm": "<Zoë>"})
    assert client.get("/cookies/getcookie").text == "welcome &lt;Zoë&gt;"


def test_getcookie_without_a_cookie_is_not_found(client: FlaskClient) -> None:
    assert client.get("/cookies/getcookie").status_code == 404
