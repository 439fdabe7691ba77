"""Mail by Flask-Mail: one message, one to each over one connection, or in one call."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from smtplib import SMTPRecipientsRefused

from email_validator import EmailNotValidError, validate_email
from flask import current_app, flash
from flask.typing import ResponseReturnValue
from flask.wrappers import Response
from flask_mail import Message
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import Field, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, ValidationError

from app.extensions import mail
from app.guide.chapter import Chapter
from app.limits import trying

chapter = Chapter(
    "mail",
    __name__,
    title="Mail",
    summary="Flask-Mail writes messages with copies, HTML and attachments, and hands them to an SMTP server.",
)

MAX_ADDRESSES = 20


def addresses(text: str | None) -> list[str]:
    """Split `text` at commas, semicolons and white space; raises ValidationError for what is no address."""
    found = []
    for word in re.split(r"[,;\s]+", (text or "").strip()):
        try:
            if word:
                checked = validate_email(word, check_deliverability=False, allow_smtputf8=False)
                found.append(str(checked.ascii_email))
        except EmailNotValidError:
            raise ValidationError(f"“{word}” is not an e-mail address.") from None
    return found


def up_to(limit: int) -> Callable[[FlaskForm, Field], None]:
    """Validate a field that holds nothing, or up to `limit` addresses."""

    def check(_form: FlaskForm, field: Field) -> None:
        found = addresses(field.data)
        if len(found) > limit:
            raise ValidationError(f"Please enter no more than {limit}.")
        if field.data and field.data.strip() and not found:
            raise ValidationError("Please enter an e-mail address.")

    return check


def one_line(_form: FlaskForm, field: Field) -> None:
    """Validate what becomes a header or a file's name: a line break in it could begin another header."""
    text = getattr(field.data, "filename", field.data) or ""
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text):
        raise ValidationError("Please enter one line without control characters.")


class MailForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A message; addresses are separated by commas, semicolons or white space."""

    recipients = StringField("To", [DataRequired("Please enter a recipient."), up_to(MAX_ADDRESSES)])
    cc = StringField("Cc", [up_to(MAX_ADDRESSES)])
    bcc = StringField("Bcc", [up_to(MAX_ADDRESSES)])
    reply_to = StringField("Reply to", [up_to(1)])
    subject = StringField("Subject", [Length(max=200), one_line])
    body = TextAreaField("Text")
    html = TextAreaField("The same as HTML")
    attachment = FileField("Attachment", [one_line])

    def message(self, recipients: list[str]) -> Message:
        """Build what the form says, for these recipients."""
        message = Message(
            self.subject.data or "",
            cc=[*addresses(self.cc.data)],
            bcc=[*addresses(self.bcc.data)],
            reply_to="".join(addresses(self.reply_to.data)) or None,
            body=self.body.data or "",
            html=self.html.data or None,
        )
        for recipient in recipients:
            message.add_recipient(recipient)
        file = self.attachment.data
        if file:
            file.seek(0)  # a second message attaches it again
            message.attach(file.filename, "application/octet-stream", file.read())
        return message


@chapter.get("/")
def page() -> ResponseReturnValue:
    return _page(MailForm())


@chapter.post("/send")
@trying
def send() -> ResponseReturnValue:
    form = MailForm()

    def post() -> None:
        mail.send(form.message(addresses(form.recipients.data)))

    return _deliver(form, post)


@chapter.post("/bulk")
@trying
def bulk() -> ResponseReturnValue:
    """Send each recipient a message of his own, all over one connection."""
    form = MailForm()

    def post() -> None:
        waiting = addresses(form.recipients.data)
        with mail.connect() as connection:
            while waiting:
                connection.send(form.message(waiting[:1]))
                del waiting[0]
                form.recipients.data = ", ".join(waiting)  # who is served gets no second one by a retry

    return _deliver(form, post)


@chapter.post("/note")
@trying
def note() -> ResponseReturnValue:
    """Send subject and text alone: one call, without a Message."""
    form = MailForm()

    def post() -> None:
        mail.send_message(
            form.subject.data or "",
            recipients=addresses(form.recipients.data),
            body=form.body.data or "",
        )

    return _deliver(form, post)


def _deliver(form: MailForm, post: Callable[[], None]) -> ResponseReturnValue:
    if not form.validate():
        return _page(form), 400
    try:
        post()
    except SMTPRecipientsRefused as error:
        form.recipients.errors = [f"The mail server refuses {', '.join(error.recipients)}."]
        return _page(form), 400
    except OSError as error:  # smtplib's errors are OSErrors, like those of the network
        current_app.logger.warning("mail not sent: %s", error)
        flash(
            "The mail server does not take the message now. Everything you wrote is still in the form"
            " below; please send it again in a moment, with its attachment chosen anew.",
            "error",
        )
        return _page(form), 503
    return chapter.render("mail-sent.html")


def _page(form: MailForm) -> Response:
    settings = dict(vars(current_app.extensions["mail"]))
    settings["password"] = "set, not shown" if settings["password"] else None
    return chapter.page(form=form, settings=settings)
