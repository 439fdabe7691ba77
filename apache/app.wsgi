"""What mod_wsgi loads: the `application` that every server loads."""

import sys

try:
    from app.wsgi import application
except SystemExit:
    # app.wsgi has logged one sentence that says what is wrong; mod_wsgi would add two tracebacks.
    sys.tracebacklimit = 0
    raise SystemExit(1) from None

__all__ = ["application"]
