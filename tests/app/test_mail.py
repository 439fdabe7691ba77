"""Chapter mail, in process, with a real SMTP server."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app, smtp
from app.config import Settings
from app.extensions import mail

ACTIONS = ("send", "bulk", "note")


class Catcher:
    """Keeps what it is sent; refuses refused@example.org, and hangs up on hangup@example.org."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.envelopes: list[Envelope] = []

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address == "refused@example.org":
            return "550 no such mailbox"
        if address == "hangup@example.org":
            return "421 closing"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        self.sessions.append(session)
        self.envelopes.append(envelope)
        return "250 OK"

    def message(self) -> EmailMessage:
        """Return the only message there is."""
        (envelope,) = self.envelopes
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, mail={"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": free_port()})


@pytest.fixture
def catcher(settings: Settings) -> Iterator[Catcher]:
    catcher = Catcher()
    server = Controller(catcher, hostname="127.0.0.1", port=int(str(settings.mail["MAIL_PORT"])))
    server.start()
    yield catcher
    server.stop()


def write(client: FlaskClient, action: str = "send", **fields: Any) -> TestResponse:
    data = {"recipients": "ann@example.org", "subject": "Hello", "body": "A text."} | fields
    return client.post(f"/mail/{action}", data=data)


def errors(response: TestResponse) -> dict[str, str]:
    found = re.findall(r'<small id="(\w+)-error" class="error">([^<]+)</small>', response.text)
    return {name: unescape(message) for name, message in found}


def test_a_message_arrives_as_written(client: FlaskClient, catcher: Catcher) -> None:
    response = write(
        client,
        recipients="ann@example.org, bob@example.org",
        cc="cy@example.org",
        bcc="dora@example.org;eve@example.org",
        reply_to="desk@example.org",
        subject="Grüße",
        body="Zeile 1\r\n.\r\nZeile 3 ü",
        html="<b>Zeile</b>",
        attachment=(BytesIO(b"\x00\xff.\r\n"), "plan ü.bin"),
    )
    assert response.status_code == 200
    assert ">Sent<" in response.text
    message = catcher.message()
    assert set(catcher.envelopes[0].rcpt_tos) == {
        f"{n}@example.org" for n in ("ann", "bob", "cy", "dora", "eve")
    }
    assert set(message["To"].split(", ")) == {"ann@example.org", "bob@example.org"}
    assert message["Cc"] == "cy@example.org"
    assert "dora" not in str(message)
    assert message["Reply-To"] == "desk@example.org"
    assert message["From"] == "guide@example.org"
    assert message["Subject"] == "Grüße"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain
    assert html
    assert plain.get_content().splitlines() == ["Zeile 1", ".", "Zeile 3 ü"]
    assert html.get_content().strip() == "<b>Zeile</b>"
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "plan ü.bin"
    assert attachment.get_content() == b"\x00\xff.\r\n"


def test_bulk_sends_one_to_each_over_one_connection(client: FlaskClient, catcher: Catcher) -> None:
    response = write(
        client,
        "bulk",
        recipients="ann@example.org bob@example.org",
        attachment=(BytesIO(b"to all"), "a.txt"),
    )
    assert response.status_code == 200
    assert [envelope.rcpt_tos for envelope in catcher.envelopes] == [["ann@example.org"], ["bob@example.org"]]
    assert all(b"dG8gYWxs" in (envelope.content or b"") for envelope in catcher.envelopes)
    assert catcher.sessions[0] is catcher.sessions[1]


def test_note_sends_subject_and_text(client: FlaskClient, catcher: Catcher) -> None:
    assert write(client, "note", html="<b>not sent</b>").status_code == 200
    message = catcher.message()
    assert message["Subject"] == "Hello"
    assert message.get_content().strip() == "A text."


def test_signal_tells_what_was_sent(app: Flask, client: FlaskClient, catcher: Catcher) -> None:
    with app.app_context(), mail.record_messages() as outbox:
        write(client)
    assert [message.subject for message in outbox] == ["Hello"]
    assert len(catcher.envelopes) == 1


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("recipients", "", "Please enter a recipient."),
        ("recipients", " ;, ", "Please enter an e-mail address."),
        ("recipients", "ann", "“ann” is not an e-mail address."),
        ("recipients", "ann@example.org\r\nBcc: eve@example.org", "“Bcc:” is not an e-mail address."),
        ("recipients", "ännchen@example.org", "“ännchen@example.org” is not an e-mail address."),
        ("recipients", ",".join(f"a{n}@example.org" for n in range(21)), "Please enter no more than 20."),
        ("cc", "<script>", "“<script>” is not an e-mail address."),
        ("bcc", "a@b@c", "“a@b@c” is not an e-mail address."),
        ("reply_to", "a@example.org b@example.org", "Please enter no more than 1."),
        ("subject", "Hi\r\nBcc: eve@example.org", "Please enter one line without control characters."),
        ("subject", "Hi\r\n X: folded", "Please enter one line without control characters."),
        ("subject", "Hi\u2028there", "Please enter one line without control characters."),
        ("subject", "a" * 201, "Field cannot be longer than 200 characters."),
    ],
)
def test_what_cannot_be_sent_is_named_and_the_form_kept(
    client: FlaskClient, catcher: Catcher, action: str, field: str, value: str, message: str
) -> None:
    response = write(client, action, **{"html": "<p>kept html", field: value})
    assert response.status_code == 400
    assert errors(response) == {field: message}
    assert "&lt;p&gt;kept html" in response.text
    assert "A text." in response.text
    assert catcher.envelopes == []


def test_a_line_break_in_a_file_s_name_is_refused(client: FlaskClient, catcher: Catcher) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="recipients"\r\n\r\nann@example.org\r\n'
        b'--x\r\nContent-Disposition: form-data; name="attachment";'
        b" filename*=UTF-8''a%0D%0AX-Evil:%201\r\n\r\nx\r\n"
        b"--x--\r\n"
    )
    response = client.post("/mail/send", data=body, content_type="multipart/form-data; boundary=x")
    assert response.status_code == 400
    assert errors(response) == {"attachment": "Please enter one line without control characters."}
    assert catcher.envelopes == []


def test_a_refused_recipient_is_named(client: FlaskClient, catcher: Catcher) -> None:
    response = write(client, recipients="refused@example.org")
    assert response.status_code == 400
    assert errors(response) == {"recipients": "The mail server refuses refused@example.org."}
    assert 'value="refused@example.org"' in response.text
    assert catcher.envelopes == []


@pytest.mark.parametrize("action", ACTIONS)
def test_without_a_server_the_form_comes_back_whole(client: FlaskClient, action: str) -> None:
    fields = {
        "recipients": "ann@example.org",
        "cc": "cy@example.org",
        "bcc": "dora@example.org",
        "reply_to": "desk@example.org",
        "subject": 'A "subject"',
        "body": "A <text>.",
        "html": "<p>HTML",
    }
    response = write(client, action, **fields)
    assert response.status_code == 503
    assert "The mail server does not take the message now." in response.text
    text = unescape(response.text)
    assert all(value in text for value in fields.values())


def test_a_silent_server_is_given_up(
    client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", int(str(settings.mail["MAIL_PORT"])))):
        begin = time.monotonic()
        assert write(client).status_code == 503
    assert time.monotonic() - begin < 2


def test_bulk_that_breaks_off_keeps_only_those_not_served(client: FlaskClient, catcher: Catcher) -> None:
    response = write(client, "bulk", recipients="ann@example.org hangup@example.org bob@example.org")
    assert response.status_code == 400
    assert [envelope.rcpt_tos for envelope in catcher.envelopes] == [["ann@example.org"]]
    assert 'value="hangup@example.org, bob@example.org"' in response.text


def test_settings_are_shown_without_the_password(settings: Settings) -> None:
    secret = create_app(replace(settings, mail={"MAIL_USERNAME": "ann", "MAIL_PASSWORD": "correct horse"}))
    text = secret.test_client().get("/mail/").text
    assert "<code>MAIL_USERNAME</code></th><td>ann</td>" in text
    assert "<code>MAIL_PASSWORD</code></th><td>set, not shown</td>" in text
    assert "correct horse" not in text


def test_sending_takes_post_alone(client: FlaskClient) -> None:
    assert [client.get(f"/mail/{action}").status_code for action in ACTIONS] == [405, 405, 405]
