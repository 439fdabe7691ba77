"""Have uWSGI load new code: ``python -m servers.uwsgi_reload``; returns when no process has the old.

An argument is the process id of its master; without one that stands in `/run/app/uwsgi.pid`. Exits with a
sentence where a process still has the old after `PATIENCE`.

uWSGI passes over a request to reload while it is at one, so that the newest code would not come into service.
It is asked by a file that it looks at each second: at a signal it may wait for ever for a lock of its own.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

REQUEST = Path("/tmp/uwsgi.reload")  # noqa: S108  of this container's or unit's own
"""What `touch-chain-reload` of uwsgi.ini names."""
PATIENCE = 90
"""Seconds: each of two processes may take 25 to finish (`worker-reload-mercy`), and loads the application."""


def main() -> None:
    """Ask again until each process that is there now has gone."""
    deadline = time.monotonic() + PATIENCE
    given = sys.argv[1:] or [Path("/run/app/uwsgi.pid").read_text(encoding="ascii")]
    master = int(given[0])
    children = Path(f"/proc/{master}/task/{master}/children")
    old = set(children.read_text(encoding="ascii").split())
    while old & set(children.read_text(encoding="ascii").split()):
        if time.monotonic() > deadline:
            sys.exit(f"error: uWSGI still has old code after {PATIENCE} s; look at its log, and restart it.")
        REQUEST.touch()
        time.sleep(1)


if __name__ == "__main__":
    main()
