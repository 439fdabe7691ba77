"""Flask-WTF's tokens, masked anew in each response, so that compression cannot give them away (BREACH).

https://www.breachattack.com/ measures how well a page compresses beside guesses of its secret: a secret that
is never written the same way twice cannot be guessed piece by piece.
"""

from __future__ import annotations

import secrets
from typing import Any

import flask_wtf.csrf
from itsdangerous import URLSafeTimedSerializer


class _Masking(URLSafeTimedSerializer):
    """Signs the session's token, 40 hex digits, as a random mask and the token under that mask."""

    def dump_payload(self, obj: str) -> bytes:
        mask = secrets.token_bytes(len(obj) // 2)
        return super().dump_payload((mask + _xor(mask, bytes.fromhex(obj))).hex())

    def load_payload(self, *args: Any, **options: Any) -> str:
        both = bytes.fromhex(super().load_payload(*args, **options))
        return _xor(both[: len(both) // 2], both[len(both) // 2 :]).hex()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


# The one that makes and reads the tokens of forms, of the header X-CSRFToken and of csrf_token().
flask_wtf.csrf.URLSafeTimedSerializer = _Masking

CSRFProtect = flask_wtf.csrf.CSRFProtect
