"""httpd with mod_wsgi, replaced without losing a request: SIGHUP takes new code and configuration.

httpd's own graceful restart ends mod_wsgi's processes while its old workers still hold requests for them;
those fail. So a second httpd starts beside the first, on the same port; the first asks its clients to
connect anew, closes its ears, finishes what it has begun, and ends. A new one that does not start changes
nothing. The port is shared by SO_REUSEPORT (ListenCoresBucketsRatio), and with net.ipv4.tcp_migrate_req=1
the kernel hands connections that nobody took yet from the old one to the new one.

Start: ``python3 servers/httpd.py``, with the variables of ``/etc/apache2/envvars``. Stop: ``SIGTERM``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

# A client that was not told to connect anew may use its connection again for as long as httpd keeps it:
# KeepAliveTimeout in apache2.conf.
KEEP_ALIVE_SECONDS = 5.0
START_SECONDS = 20.0
SIGNALS = {signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


class Httpd:
    """One running httpd, known by its pid file."""

    def __init__(self, pid_file: Path) -> None:
        self.pid_file = pid_file
        # apache/conf-available/wsgi-process.conf closes the connections of an httpd for which this exists.
        self.leaving = Path(f"{pid_file}.leaving")
        self.leaving.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["/usr/sbin/apache2", "-D", "FOREGROUND"], env={**os.environ, "APACHE_PID_FILE": str(pid_file)}
        )

    def serves(self) -> bool:
        """Return whether it listens before START_SECONDS are over: then it has written its pid file."""
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.pid_file.exists():
                return True
            time.sleep(0.02)
        return False

    def leave(self) -> None:
        """Have clients connect anew, to the other httpd; then let it finish what it has begun."""
        self.leaving.touch()
        time.sleep(KEEP_ALIVE_SECONDS)
        self.stop()

    def stop(self) -> None:
        """Let it finish what it has begun, and end."""
        self.process.send_signal(signal.SIGWINCH)


def main() -> int:
    """Keep one httpd serving; return the exit status."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    folder = Path(os.environ["APACHE_RUN_DIR"])
    started = 1
    current = Httpd(folder / "httpd-1.pid")
    leaving: list[Httpd] = []
    while True:
        received = signal.sigwait(SIGNALS)
        leaving = [httpd for httpd in leaving if httpd.process.poll() is None]
        if current.process.poll() is not None:
            for httpd in leaving:
                httpd.stop()
            return current.process.returncode or 1
        if received == signal.SIGHUP:
            started += 1
            new = Httpd(folder / f"httpd-{started}.pid")
            if new.serves():
                current.leave()
                leaving.append(current)
                current = new
            else:
                new.process.kill()
                print("error: the new httpd did not start; the old one serves on.", file=sys.stderr)  # noqa: T201
        elif received in {signal.SIGTERM, signal.SIGINT}:
            for httpd in [*leaving, current]:
                httpd.stop()
            return max(httpd.process.wait() for httpd in [*leaving, current])


if __name__ == "__main__":
    sys.exit(main())
