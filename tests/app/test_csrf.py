"""app/csrf.py: a token is never written the same way twice, and each of its ways is taken."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    app.config["WTF_CSRF_ENABLED"] = True
    return app.test_client()


def tokens(client: FlaskClient, page: str) -> list[str]:
    return [unescape(token) for token in TOKEN.findall(client.get(page).text)]


def log_in(client: FlaskClient, token: str) -> int:
    return client.post("/sessions/login", data={"csrf_token": token, "username": "ann"}).status_code


@pytest.mark.parametrize("page", ["/sessions/", "/wtf/contact"])
def test_two_answers_share_no_run_of_the_token_and_both_tokens_work(client: FlaskClient, page: str) -> None:
    """The second of its making may be shared, some eight characters; the secret is not."""
    first, second = (tokens(client, page)[0] for _ in range(2))
    match = SequenceMatcher(None, first, second, autojunk=False).find_longest_match()
    assert match.size <= 12
    assert [log_in(client, token) for token in (first, second)] == [302, 302]


def test_the_forms_of_a_page_share_their_token(client: FlaskClient) -> None:
    assert len(set(tokens(client, "/flashing/"))) == 1


def test_another_session_s_token_is_refused(app: Flask, client: FlaskClient) -> None:
    (token, *_) = tokens(app.test_client(), "/sessions/")
    tokens(client, "/sessions/")
    assert log_in(client, token) == 400


@pytest.mark.parametrize(
    "change", [lambda token: token[1:], lambda token: "A" + token, lambda _: "", str.lower]
)
def test_a_changed_token_is_refused(client: FlaskClient, change: object) -> None:
    assert callable(change)
    assert log_in(client, change(tokens(client, "/sessions/")[0])) == 400


def test_the_header_takes_the_token_too(client: FlaskClient) -> None:
    token = tokens(client, "/sessions/")[0]
    answer = client.put(
        "/methods/item/x", data="x", headers={"X-CSRFToken": token}, content_type="text/plain"
    )
    assert answer.status_code == 201


def test_a_token_of_the_release_before_is_refused_not_a_fault(app: Flask, client: FlaskClient) -> None:
    """Unmasked, as Flask-WTF makes it: the visitor is asked to open the form again."""
    from itsdangerous import URLSafeTimedSerializer

    tokens(client, "/sessions/")
    with client.session_transaction() as session:
        unmasked = URLSafeTimedSerializer(str(app.secret_key), salt="wtf-csrf-token").dumps(
            session["csrf_token"]
        )
    assert isinstance(unmasked, str)
    assert log_in(client, unmasked) == 400
