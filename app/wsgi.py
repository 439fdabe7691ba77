"""`application`: the one object that every server loads."""

from __future__ import annotations

import gc
import sys

from app import create_app, log
from app.config import ConfigError

log.configure()
try:
    application = create_app()
except ConfigError as error:
    print(f"Error: {error}", file=sys.stderr)  # noqa: T201  for a person, not for a log
    sys.exit(1)
# All that is here stays: the collector would look through it in vain, most of all when the process ends.
gc.freeze()
