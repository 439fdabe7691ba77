"""Have uWSGI load new code: ``python -m servers.uwsgi_reload``; returns when no process has the old.

uWSGI passes over a request to reload while it is at one, so that the newest code would not come into service.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def main() -> None:
    """Ask again until each process that is there now has gone."""
    master = int(Path("/run/app/uwsgi.pid").read_text(encoding="ascii"))
    children = Path(f"/proc/{master}/task/{master}/children")
    old = set(children.read_text(encoding="ascii").split())
    while old & set(children.read_text(encoding="ascii").split()):
        os.kill(master, signal.SIGHUP)
        time.sleep(1)


if __name__ == "__main__":
    main()
