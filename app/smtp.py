"""Flask-Mail 0.10, with a time limit, checked certificates, and the first error kept; its API is kept.

It opens its connection without a time limit, so that a dead server holds a worker for minutes, and
without a check of the certificate. Where ``send`` fails, its farewell to the server may fail, too, and
hide the reason.
"""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from types import TracebackType

import flask_mail
from flask import current_app

TIMEOUT_SECONDS = 5.0


class _Connection(flask_mail.Connection):
    def configure_host(self) -> smtplib.SMTP:
        server, port = self.mail.server, self.mail.port or 0
        host: smtplib.SMTP
        if self.mail.use_ssl:
            context = ssl.create_default_context()
            host = smtplib.SMTP_SSL(server, port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            host = smtplib.SMTP(server, port, timeout=TIMEOUT_SECONDS)
        host.set_debuglevel(int(self.mail.debug))
        if self.mail.use_tls:
            host.starttls(context=ssl.create_default_context())
        if self.mail.username and self.mail.password:
            host.login(self.mail.username, self.mail.password)
        return host

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        if self.host is not None:
            with suppress(OSError):  # smtplib's errors are OSErrors
                self.host.quit()
            self.host.close()


class Mail(flask_mail.Mail):
    """The extension; ``connect()`` gives up on a server that is silent for `TIMEOUT_SECONDS`."""

    def connect(self) -> flask_mail.Connection:
        """Open a connection to the mail server, for one message or for many."""
        return _Connection(current_app.extensions["mail"])
