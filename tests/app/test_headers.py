"""app/headers.py: the content policy and the cookies."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.guide import CHAPTERS
from app.headers import HEADERS

NONCE = re.compile(r"script-src 'self' 'nonce-([\w-]{22})';")


def policy_nonce(client: FlaskClient, url: str) -> str:
    found = NONCE.search(client.get(url).headers["Content-Security-Policy"])
    assert found
    return found[1]


ANSWERS = ["/", "/healthz", "/highlight.css", "/nothing", "/application/hello", "/errors/redirect/302"]
ANSWERS += ["/errors/redirect/304", "/static/site.css", "/sijax/hello"]


@pytest.mark.parametrize("url", ANSWERS)
def test_every_answer_carries_each_header_once(client: FlaskClient, url: str) -> None:
    with client.get(url) as response:
        for name, value in HEADERS.items():
            assert response.headers.getlist(name) == [value]
        assert len(response.headers.getlist("Content-Security-Policy")) == 1
        assert len(response.headers.getlist("X-Request-ID")) == 1


def test_a_stream_is_not_to_be_kept_until_it_is_complete(app: Flask, client: FlaskClient) -> None:
    app.add_url_rule("/stream", view_func=lambda: iter(["a", "b"]))
    assert client.get("/stream").headers["X-Accel-Buffering"] == "no"
    for url in ("/", "/static/site.css"):
        with client.get(url) as whole:
            assert "X-Accel-Buffering" not in whole.headers


@pytest.mark.parametrize("url", ["/", "/healthz", "/highlight.css", "/nothing", "/application/hello"])
def test_every_answer_carries_the_policy(client: FlaskClient, url: str) -> None:
    policies = client.get(url).headers.getlist("Content-Security-Policy")
    assert len(policies) == 1
    assert policies[0] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def test_each_page_with_an_inline_script_has_a_nonce_of_its_own(client: FlaskClient) -> None:
    assert len({policy_nonce(client, "/sijax/hello") for _ in range(20)}) == 20


@pytest.mark.parametrize("chapter", [chapter.slug for chapter in CHAPTERS])
def test_no_page_has_what_its_policy_forbids(client: FlaskClient, chapter: str) -> None:
    """Inline scripts without a nonce, style attributes and event attributes would not work in a browser."""
    text = client.get(f"/{chapter}/").text
    source = re.compile(r'<div class="highlight">.*?</pre></div>', re.S)
    assert not re.search(r"<script(?![^>]*\b(src|nonce)=)|<style|<[^>]+ (style|on\w+)=", source.sub("", text))


@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False)])
def test_session_cookie_is_secure_under_tls_alone(app: Flask, scheme: str, secure: bool) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    response = app.test_client().get("/sqlalchemy/new", base_url=f"{scheme}://localhost")
    (cookie,) = response.headers.getlist("Set-Cookie")
    attributes = {part.strip() for part in cookie.split(";")}
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= attributes
    assert ("Secure" in attributes) is secure
