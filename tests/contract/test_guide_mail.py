"""Chapter mail, through the front end, with the mail catcher behind the application."""

from __future__ import annotations

from html import unescape
from uuid import uuid4

import pytest

from tests.site import Site

PAGE = "/mail/"
ACTIONS = ("send", "bulk", "note")


def letter() -> dict[str, str]:
    return {
        "recipients": "ann@example.org, bob@example.org",
        "subject": f"Hello {uuid4()}",
        "body": "A text.",
    }


@pytest.mark.parametrize("action", ACTIONS)
def test_a_message_is_sent(site: Site, action: str) -> None:
    response = site.attempt(PAGE, f"/mail/{action}", letter())
    assert response.status_code == 200
    assert ">Sent<" in response.text


def test_a_message_with_everything_is_sent(site: Site) -> None:
    everything = letter() | {
        "cc": "cy@example.org",
        "bcc": "dora@example.org",
        "reply_to": "desk@example.org",
        "html": "<p>A <b>text</b>.</p>",
    }
    response = site.attempt(
        PAGE, "/mail/send", everything, files={"attachment": ("plan.bin", bytes(100_000))}
    )
    assert response.status_code == 200
    assert ">Sent<" in response.text


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("recipients", "ann", "“ann” is not an e-mail address."),
        ("cc", "ann@example.org\r\nX-Evil: 1", "“X-Evil:” is not an e-mail address."),
        ("subject", "Hi\r\nBcc: eve@example.org", "Please enter one line without control characters."),
    ],
)
def test_what_cannot_be_sent_is_named_and_the_form_kept(
    site: Site, action: str, field: str, value: str, message: str
) -> None:
    text = f"kept <{uuid4()}>"
    response = site.attempt(PAGE, f"/mail/{action}", letter() | {"body": text, field: value})
    assert response.status_code == 400
    assert f">{message}<" in response.text
    assert text in unescape(response.text)


def test_without_the_token_nothing_is_sent(site: Site) -> None:
    response = site.post("/mail/send", data=letter())
    assert response.status_code == 400
    assert ">Sent<" not in response.text


@pytest.mark.parametrize("action", ACTIONS)
def test_sending_takes_post_alone(site: Site, action: str) -> None:
    assert site.get(f"/mail/{action}").status_code == 405
