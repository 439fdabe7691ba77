"""Gunicorn, reached by the front end through a Unix socket, or on a hosted platform by its proxy on PORT.

Start: ``gunicorn --config servers/gunicorn.conf.py app.wsgi``. Reload with new code: ``SIGHUP``.
Settings: https://docs.gunicorn.org/en/stable/settings.html
"""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger  # type: ignore[import-untyped]

if port := os.environ.get("PORT"):
    # docs/hosted.md; the heartbeat files are in the temporary folder, which may be all that can be written.
    bind = f"0.0.0.0:{port}"
    # Google's platforms kill what has not ended 10 s after SIGTERM; default: 30
    graceful_timeout = 7

    # Loaded once for all processes, which takes half the time; SIGHUP would keep the old code.
    preload_app = True

    def on_starting(server: Any) -> None:
        """Make the schema: a platform's disk begins empty with each instance."""
        from app.database import init_db
        from app.extensions import db

        with server.app.wsgi().app_context():
            init_db()
            db.engine.dispose()  # no connection is shared with the processes to come

elif Path("/run/app").is_dir():
    # The front end's user is in the group of this process: 0660.
    bind = "unix:/run/app/app.sock"
    umask = 0o117
    # A worker's heartbeat file must not wait for a disk.
    worker_tmp_dir = "/dev/shm"  # noqa: S108  memory, and Gunicorn makes the name unguessable
else:
    sys.exit("Error: there is no folder /run/app for the socket; make it, or say in PORT where to listen.")

worker_class = "gthread"
# One for each core: docs/processes.md
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = 4
# A process takes no request that would wait for one of its threads: the other process may have one free.
# Default: 1000. No connection is kept between two requests: it would count, and nginx asks for none.
worker_connections = threads
keepalive = 0

# As the front ends take it; default: 4094.
limit_request_line = 8190
# 100 of the client's, and what a front end sets: nginx four, lighttpd six. Default: 100
limit_request_fields = 106


class Logger(GunicornLogger):  # type: ignore[misc]
    """Gunicorn's, but for the access log: the front end writes one."""

    def access(self, *_request: Any) -> None:
        """Prepare nothing: with logconfig_dict Gunicorn would put a line together for each request."""


logger_class = Logger
# Its own lines are JSON, as the application's are.
logconfig_dict = {
    "formatters": {
        "generic": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "{levelname}{name}{message}",
            "style": "{",
            "rename_fields": {"levelname": "level", "name": "logger", "exc_info": "exception"},
            "timestamp": "time",
        }
    },
    "loggers": {"gunicorn.error": {"level": "INFO", "propagate": True}},
    "root": {"level": "WARNING", "handlers": ["error_console"]},
}

# It would be made in the home folder, which is read-only.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Compress pages behind lighttpd; the other front ends do it themselves."""
    if os.environ.get("APP_FRONT_END", "").startswith("lighttpd"):
        from servers.compress import compress

        worker.wsgi = compress(worker.wsgi)


def post_request(_worker: object, request: Any, _environ: object, _response: object) -> None:
    """Take what the application has left of a body: else the connection is reset, and the answer lost.

    No more than the front ends let through: where none stands before it, a body may never end. httpd bounds
    none that comes in chunks, but has it whole before it asks.
    """
    pieces = count() if os.environ.get("APP_FRONT_END") == "apache-gunicorn" else range(10 * 16)
    for _ in pieces:
        if not request.body.read(64 * 1024):
            break
