"""What mod_wsgi loads: the `application` that every server loads, which is told the path that was sent."""

import sys

try:
    from app.wsgi import application as flask
    from servers.sent_path import restore
except SystemExit:
    # app.wsgi has logged one sentence that says what is wrong; mod_wsgi would add two tracebacks.
    sys.tracebacklimit = 0
    raise SystemExit(1) from None


def application(environ, start_response):
    """Serve a request."""
    restore(environ)
    return flask(environ, start_response)
