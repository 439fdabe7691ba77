"""`application`: a project's, with what our servers and front ends ask of it."""

from __future__ import annotations

import logging.config
import os
import sys

from . import ProjectError, load, log_configuration, wrap

logging.config.dictConfig(log_configuration())
logging.captureWarnings(True)
try:
    application = wrap(
        load(os.environ["APP"]),
        proxy_hops=int(os.environ.get("APP_PROXY_HOPS", "0")),
        prefix=os.environ.get("APP_PREFIX", ""),
    )
except ProjectError as error:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201  for a person, not for a log
    sys.exit(1)
