"""Gunicorn, reached by the front end through a Unix socket.

Start: ``gunicorn --config servers/gunicorn.conf.py app.wsgi``. Reload with new code: ``SIGHUP``.
Settings: https://docs.gunicorn.org/en/stable/settings.html
"""

from typing import Any

# The front end's user is in the group of this process: 0660.
bind = "unix:/run/app/app.sock"
umask = 0o117

worker_class = "gthread"
workers = 2
threads = 4
# A process takes no request that would wait for one of its threads: the other process may have one free.
# Default: 1000. No connection is kept between two requests: it would count, and nginx asks for none.
worker_connections = threads
keepalive = 0

# A worker's heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm"  # noqa: S108  memory, and Gunicorn makes the name unguessable

# As the front ends take it; default: 4094.
limit_request_line = 8190
# 100 of the client's, and Connection and the three that nginx sets; default: 100
limit_request_fields = 104

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


def post_request(_worker: object, request: Any, _environ: object, _response: object) -> None:
    """Take what the application has left of a body: else the connection is reset, and the answer lost."""
    while request.body.read(64 * 1024):
        pass
