"""Have uWSGI load new code: ``python -m servers.uwsgi_reload``; returns when all processes serve the new.

An argument is the process id of its master; without one that stands in `/run/app/uwsgi.pid`. Exits with a
sentence where a process does not in time, and where there is no uWSGI.

A stop while the last still loads would be no graceful one: that process misses the signal to finish.

uWSGI passes over a request to reload while it is at one, so that the newest code would not come into service:
it is asked again, but no more often than it must. At a signal its master writes to the log; where it was just
writing there, both wait for one lock for ever.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PID_FILE = Path("/run/app/uwsgi.pid")
PATIENCE = 45
"""Seconds for each process: it may take 25 to finish (`worker-reload-mercy`), and loads the application."""
STALL = 3
"""Seconds without a change, after which uWSGI is asked again."""


def serves(process: str) -> bool:
    """Return whether a process has loaded the application: then it has more threads than one."""
    try:
        return len([*Path(f"/proc/{process}/task").iterdir()]) > 1
    except (FileNotFoundError, ProcessLookupError):  # it has gone, or goes meanwhile
        return False


def children(master: int) -> set[str]:
    """Return uWSGI's processes; exits where it has ended."""
    try:
        return set(Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split())
    except (FileNotFoundError, ProcessLookupError):
        sys.exit(f"error: uWSGI, process {master}, has ended; look at its log, start it.")


def main() -> None:
    """Ask again until each process that is there now has gone; wait until those in their place serve."""
    try:
        given = sys.argv[1:] or [PID_FILE.read_text(encoding="ascii")]
    except FileNotFoundError:
        sys.exit(f"error: there is no {PID_FILE}: uWSGI does not run; start it.")
    master = int(given[0])
    old = there = children(master)
    left, asked = old, -float(STALL)
    patience = PATIENCE * len(old)
    deadline = time.monotonic() + patience
    while left or len(there) < len(old) or not all(map(serves, there)):
        now = time.monotonic()
        if now > deadline:
            sys.exit(f"error: uWSGI does not serve new code after {patience} s; look at its log, restart it.")
        if left and now > asked + STALL:
            with suppress(ProcessLookupError):
                os.kill(master, signal.SIGHUP)
            asked = now
        time.sleep(0.2)
        there = children(master)
        before, left = left, old & there
        if left != before:
            asked = time.monotonic()


if __name__ == "__main__":
    main()
