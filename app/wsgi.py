"""`application`: the one object that every server loads."""

from __future__ import annotations

import sys

from app import create_app, log
from app.config import ConfigError

log.configure()
try:
    application = create_app()
except ConfigError as error:
    print(f"Error: {error}", file=sys.stderr)  # noqa: T201  for a person, not for a log
    sys.exit(1)
