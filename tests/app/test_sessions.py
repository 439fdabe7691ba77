"""Chapter sessions, in process."""

from __future__ import annotations

import pytest
from flask import session
from flask.testing import FlaskClient


def test_login_keeps_the_name_and_logout_forgets_it(client: FlaskClient) -> None:
    with client:
        client.post("/sessions/login", data={"username": " admin "})
        assert session["username"] == "admin"
        client.get("/sessions/logout")
        assert session["username"] == "admin"
        client.post("/sessions/logout")
        assert "username" not in session


@pytest.mark.parametrize("path", ["/sessions/", "/sessions/login"])
def test_both_pages_offer_the_form_that_fits(client: FlaskClient, path: str) -> None:
    assert 'action="/sessions/login"' in client.get(path).text
    client.post("/sessions/login", data={"username": "admin"})
    page = client.get(path).text
    assert 'action="/sessions/logout"' in page
    assert 'action="/sessions/login"' not in page


def test_a_login_that_fails_keeps_the_session(client: FlaskClient) -> None:
    client.post("/sessions/login", data={"username": "admin"})
    assert client.post("/sessions/login", data={"username": ""}).status_code == 400
    assert "Logged in as admin" in client.get("/sessions/").text


@pytest.mark.parametrize("fields", [{}, {"username": ""}, {"username": "  "}, {"username": "x" * 101}])
def test_without_a_name_nobody_is_logged_in(client: FlaskClient, fields: dict[str, str]) -> None:
    assert client.post("/sessions/login", data=fields).status_code == 400
    assert "You are not logged in" in client.get("/sessions/").text
