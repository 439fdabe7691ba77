"""What the application tells the browser to allow and to refuse: policies, and the cookies' attributes."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g, request
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

# 'self' only; the style sheet's own arrows and ticks are data: images.
POLICY = (
    "default-src 'none'; script-src 'self'{nonce}; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

WITHOUT_NONCE = POLICY.format(nonce="")

# The front ends' files say the same of what they answer themselves.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecureWhenTls(SecureCookieSessionInterface):
    """Mark the session's cookie Secure whenever the request came by TLS."""

    def __init__(self, app: Flask) -> None:
        self._serializer = super().get_signing_serializer(app)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:  # noqa: ARG002  as above
        """Return what Flask would make anew for each request."""
        return self._serializer

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002  the interface's signature
        """Ask the request, not the configuration."""
        return request.is_secure


def csp_nonce() -> str:
    """Return this response's nonce: what an inline script must carry to run."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def policy() -> str:
    """Return this response's policy: inline scripts run where it has a nonce."""
    return POLICY.format(nonce=f" 'nonce-{g.csp_nonce}'") if "csp_nonce" in g else WITHOUT_NONCE


def _add_headers(response: Response) -> Response:
    response.headers.extend(HEADERS)
    response.headers.setdefault("Content-Security-Policy", policy())
    # nginx keeps an answer until it is complete, for clients that read slowly, but not where this is said.
    # https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
    if response.is_streamed and not response.direct_passthrough:
        response.headers["X-Accel-Buffering"] = "no"
    return response


def init_app(app: Flask) -> None:
    """Put the headers on every answer; a view may set a content policy of its own first."""
    app.session_interface = SecureWhenTls(app)
    app.after_request(_add_headers)
    app.jinja_env.globals["csp_nonce"] = csp_nonce
