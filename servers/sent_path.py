"""The path that the client sent, in place of what a front end made of its dots and slashes.

httpd and lighttpd hand on ``/a`` for ``//a`` and for ``/b/../a``; nginx with Gunicorn hands on what was sent.
The application sees the same behind each.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIEnvironment

# What an absolute target has before its path: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
SCHEME_AND_HOST = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def restore(environ: WSGIEnvironment) -> None:
    """Set PATH_INFO from REQUEST_URI, below the SCRIPT_NAME that the front end says."""
    target = environ.get("REQUEST_URI", "").partition("?")[0]
    path = unquote_to_bytes(SCHEME_AND_HOST.sub("", target, count=1)).decode("latin-1")
    prefix = environ.setdefault("SCRIPT_NAME", "")  # where it is empty it may be absent (PEP 3333)
    if path.startswith(f"{prefix}/"):
        environ["PATH_INFO"] = path.removeprefix(prefix)
