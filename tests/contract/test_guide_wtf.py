"""Chapter forms with WTF, through the front end."""

from __future__ import annotations

from html import unescape

import pytest

from tests.site import Site

URL = "/wtf/contact"
ANN = {"name": "Ann", "email": "ann@example.org", "language": "py"}


def test_empty_form_asks_for_name_and_address(site: Site) -> None:
    response = site.submit(URL, URL, {"language": "py"})
    assert response.status_code == 400
    assert "Please enter your name." in response.text
    assert "Please enter your email address." in response.text


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("email", "ann", "Please enter your email address."),
        ("name", "a" * 101, "Field cannot be longer than 100 characters."),
        ("age", "151", "Number must be between 0 and 150."),
        ("homepage", "example", "Invalid URL."),
        ("computer", "256.1.1.1", "Invalid IP address."),
        ("gender", "X", "Not a valid choice."),
        ("height", "tall", "Not a valid decimal value."),
    ],
)
def test_a_wrong_value_is_named_and_the_form_kept(site: Site, field: str, value: str, message: str) -> None:
    response = site.submit(URL, URL, ANN | {"address": "1 Hill Road", field: value})
    assert response.status_code == 400
    assert f'id="{field}-error" class="error">{message}<' in response.text
    assert "1 Hill Road" in response.text


def test_success_page_escapes_and_keeps_the_password_back(site: Site) -> None:
    response = site.submit(URL, URL, ANN | {"name": "<i>Änn", "password": "correct horse"})
    assert response.status_code == 200
    assert "Form posted successfully" in response.text
    assert "<i>Änn" not in response.text
    assert "<i>Änn" in unescape(response.text)
    assert "correct horse" not in response.text


def test_without_the_token_no_form_is_taken(site: Site) -> None:
    response = site.post(URL, data=ANN)
    assert response.status_code == 400
    assert "posted successfully" not in response.text
