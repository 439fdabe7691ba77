"""Have uWSGI load new code: ``python -m servers.uwsgi_reload``; returns when no process has the old.

An argument is the process id of its master; without one that stands in `/run/app/uwsgi.pid`. Exits with a
sentence where a process still has the old after `PATIENCE`.

uWSGI passes over a request to reload while it is at one, so that the newest code would not come into service:
it is asked again, but no more often than it must. At a signal its master writes to the log; where it was just
writing there, both wait for one lock for ever.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

PATIENCE = 90
"""Seconds: each of two processes may take 25 to finish (`worker-reload-mercy`), and loads the application."""
STALL = 3
"""Seconds without a change, after which uWSGI is asked again."""


def main() -> None:
    """Ask again until each process that is there now has gone."""
    deadline = time.monotonic() + PATIENCE
    given = sys.argv[1:] or [Path("/run/app/uwsgi.pid").read_text(encoding="ascii")]
    master = int(given[0])
    children = Path(f"/proc/{master}/task/{master}/children")
    old = set(children.read_text(encoding="ascii").split())
    left, asked = old, -float(STALL)
    while left:
        now = time.monotonic()
        if now > deadline:
            sys.exit(f"error: uWSGI still has old code after {PATIENCE} s; look at its log, and restart it.")
        if now > asked + STALL:
            os.kill(master, signal.SIGHUP)
            asked = now
        time.sleep(0.2)
        before, left = left, old & set(children.read_text(encoding="ascii").split())
        if left != before:
            asked = time.monotonic()


if __name__ == "__main__":
    main()
