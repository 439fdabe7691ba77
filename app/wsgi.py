"""`application`: the one object that every server loads."""

from __future__ import annotations

import sys

from app import create_app
from app.config import ConfigError

try:
    application = create_app()
except ConfigError as error:
    print(f"Error: {error}", file=sys.stderr)  # noqa: T201  no logger yet
    sys.exit(1)
