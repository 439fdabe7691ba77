"""Chapter forms with WTF, in process."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.guide.wtf import ContactForm

URL = "/wtf/contact"
ANN = {"name": "Ann", "email": "ann@example.org", "language": "py"}
FULL = ANN | {
    "gender": "F",
    "address": "Hill Road 1\nPune",
    "age": "42",
    "height": "1.72",
    "homepage": "https://example.org/ann?a=1&b=2",
    "computer": "2001:db8::1",
    "password": "correct horse",
    "newsletter": "y",
}


def errors(text: str) -> dict[str, str]:
    """The message beside each field."""
    return {
        name: unescape(message)
        for name, message in re.findall(r'<small id="(\w+)-error" class="error">([^<]+)</small>', text)
    }


def test_form_has_the_nine_kinds_of_fields_and_the_six_validators(app: Flask) -> None:
    with app.test_request_context():
        form = ContactForm()
    assert {field.type for field in form} >= {
        "StringField",
        "BooleanField",
        "DecimalField",
        "IntegerField",
        "RadioField",
        "SelectField",
        "TextAreaField",
        "PasswordField",
        "SubmitField",
    }
    validators = {type(validator).__name__ for field in form for validator in field.validators}
    assert validators >= {"DataRequired", "Email", "IPAddress", "Length", "NumberRange", "URL"}


def test_fresh_form_complains_of_nothing(client: FlaskClient) -> None:
    response = client.get(URL)
    assert response.status_code == 200
    assert errors(response.text) == {}
    assert "aria-invalid" not in response.text


def test_empty_form_asks_for_name_and_address(client: FlaskClient) -> None:
    response = client.post(URL, data={"language": "py"})
    assert response.status_code == 400
    assert errors(response.text) == {
        "name": "Please enter your name.",
        "email": "Please enter your email address.",
    }


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "   ", "Please enter your name."),
        ("name", "a" * 101, "Field cannot be longer than 100 characters."),
        ("gender", "X", "Not a valid choice."),
        ("address", "a" * 201, "Field cannot be longer than 200 characters."),
        ("email", "ann", "Please enter your email address."),
        ("email", "ann@example.org\r\nBcc: b@example.org", "Please enter your email address."),
        ("age", "old", "Not a valid integer value."),
        ("age", "151", "Number must be between 0 and 150."),
        ("age", "9" * 5000, "Not a valid integer value."),
        ("height", "tall", "Not a valid decimal value."),
        ("height", "NaN", "Number must be between 0 and 3."),
        ("height", "1e999999", "Number must be between 0 and 3."),
        ("homepage", "javascript:alert(1)", "Invalid URL."),
        ("computer", "256.1.1.1", "Invalid IP address."),
        ("language", "cobol", "Not a valid choice."),
        ("password", "short", "Field must be between 8 and 100 characters long."),
    ],
)
def test_a_wrong_value_is_named_beside_its_field(
    client: FlaskClient, field: str, value: str, message: str
) -> None:
    response = client.post(URL, data=FULL | {field: value})
    assert response.status_code == 400
    assert errors(response.text) == {field: message}


def test_an_error_is_linked_to_its_input(client: FlaskClient) -> None:
    text = client.post(URL, data=ANN | {"email": "ann"}).text
    tag = re.search(r'<input[^>]* id="email"[^>]*>', text)
    assert tag
    assert 'aria-invalid="true"' in tag[0]
    assert 'aria-describedby="email-error"' in tag[0]
    assert text.count('aria-invalid="true"') == 1


def test_a_refused_form_keeps_its_values_but_not_the_password(client: FlaskClient) -> None:
    text = unescape(client.post(URL, data=FULL | {"email": ""}).text)
    for value in ("Ann", "Hill Road 1", "42", "1.72", FULL["homepage"], "2001:db8::1"):
        assert value in text
    assert "correct horse" not in text
    assert re.search(r'<input checked[^>]*id="gender-1"', text)
    assert '<option selected value="py">' in text


def test_success_page_shows_all_but_the_password(client: FlaskClient) -> None:
    response = client.post(URL, data=FULL)
    assert response.status_code == 200
    assert "Form posted successfully" in response.text
    for value in ("Ann", "Hill Road 1", "42", "1.72", "2001:db8::1", "True"):
        assert value in response.text
    assert "correct horse" not in response.text


@pytest.mark.parametrize("field", ["name", "address"])
def test_success_page_escapes(client: FlaskClient, field: str) -> None:
    response = client.post(URL, data=ANN | {field: "<script>alert(1)</script>"})
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in response.text
    assert "<script>alert(1)" not in response.text


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"name=%00%ff&email=%00", b"name=Ann&name=Bob&language=py&language=py"]
)
def test_odd_bodies_are_refused_as_forms(client: FlaskClient, body: bytes) -> None:
    arguments: dict[str, Any] = {"data": body, "content_type": "application/x-www-form-urlencoded"}
    assert client.post(URL, **arguments).status_code == 400
