"""Flask-WTF's tokens, masked anew in each response, so that compression cannot give them away (BREACH).

https://www.breachattack.com/ measures how well a page compresses beside guesses of its secret: a secret that
is never written the same way twice cannot be guessed piece by piece.
"""

from __future__ import annotations

import secrets
from typing import Any

import flask_wtf.csrf
from itsdangerous import URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode


class _Masking(URLSafeTimedSerializer):
    """Signs the session's token, 40 hex digits, as a random mask and the token under that mask."""

    def dump_payload(self, obj: str) -> bytes:
        token = bytes.fromhex(obj)
        mask = secrets.token_bytes(len(token))
        return base64_encode(mask + _xor(mask, token))

    def load_payload(self, payload: bytes, *_args: Any, **_options: Any) -> str:
        both = base64_decode(payload)
        middle = len(both) // 2
        return _xor(both[:middle], both[middle:]).hex()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))


# The one that makes and reads the tokens of forms, of the header X-CSRFToken and of csrf_token().
flask_wtf.csrf.URLSafeTimedSerializer = _Masking

CSRFProtect = flask_wtf.csrf.CSRFProtect
