"""The application's log: JSON lines on standard error, each with the id of the request that it is about."""

from __future__ import annotations

import logging.config
from typing import Any

from flask import has_request_context

from app.request_id import request_id

# The health check's own address: a line for each would say nothing.
PROBED = "/healthz"


class _OfRequest(logging.Filter):
    """Name the request; drop what its server says of a probe."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id() if has_request_context() else ""
        return not (record.name == "werkzeug" and f'"GET {PROBED} ' in record.getMessage())


def configuration() -> dict[str, Any]:
    """Return what `logging.config.dictConfig` takes."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request": {"()": _OfRequest}},
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": "{levelname}{name}{message}{request_id}",
                "style": "{",
                "rename_fields": {"levelname": "level", "name": "logger", "exc_info": "exception"},
                "timestamp": "time",
            }
        },
        # Not sys.stderr: mod_wsgi's would put httpd's own words before each line.
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "filters": ["request"],
                "stream": open(2, "w", encoding="utf-8", buffering=1, closefd=False),
            }
        },
        # init-db itself says where it got to.
        "loggers": {"alembic": {"level": "WARNING"}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
    }


def configure() -> None:
    """Send all that is logged in this process to standard error."""
    logging.config.dictConfig(configuration())
    logging.captureWarnings(True)
