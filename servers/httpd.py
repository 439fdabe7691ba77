"""httpd with mod_wsgi, replaced without losing a request: SIGHUP takes new code and configuration.

httpd's own graceful restart ends mod_wsgi's processes while its old workers still hold requests for them;
those fail. So a second httpd starts beside the first, on the same port; the first has its clients connect
anew, listens no more, finishes what it has begun, and ends. A new one that cannot start changes nothing.
The port is shared by SO_REUSEPORT (ListenCoresBucketsRatio); where net.ipv4.tcp_migrate_req is 1, the
kernel hands connections that nobody has taken yet from the old one to the new one.

Start: ``python3 servers/httpd.py``, with the variables of ``/etc/apache2/envvars``. Stop: ``SIGTERM``.
Only see whether it would start: ``python3 servers/httpd.py --check``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

CODE = Path(__file__).resolve().parent.parent
# By Debian's name for it: what takes httpd's arguments.
HTTPD = os.environ.get("APACHE_HTTPD", "/usr/sbin/apache2")
# How many processes the application has; without this, as many as the site file says.
PROCESSES = os.environ.get("WEB_CONCURRENCY")
DEFINED = ["-C", f"Define WEB_CONCURRENCY {PROCESSES}"] if PROCESSES else []
# Loads the application, where httpd is root's: the user of WSGIDaemonProcess.
USER = "app"

# A client that was not told to connect anew may use its connection for as long as httpd keeps it:
# KeepAliveTimeout in sites-available/app.conf.
KEEP_ALIVE_SECONDS = 15.0
START_SECONDS = 20.0
LAST_WORDS_SECONDS = 2.0
STOPS = {signal.SIGTERM, signal.SIGINT}
SIGNALS = {signal.SIGHUP, signal.SIGCHLD, *STOPS}


# httpd's default ErrorLogFormat: [time] [module:level] [pid 1:tid 1] message
OWN_WORDS = re.compile(r"\[[^]]*\] \[(?P<module>\w*):(?P<level>\w+)\] \[[^]]*\] (?P<message>.*)")


def relay(lines: Iterable[bytes]) -> None:
    """Write to standard error what httpd and the application write: as JSON, which httpd cannot quote."""
    for line in lines:
        if line.startswith(b"{"):  # the application's
            os.write(2, line)
            continue
        text = line.decode(errors="replace").rstrip()
        found = OWN_WORDS.fullmatch(text)
        entry = {
            "time": datetime.now(UTC).isoformat(),
            "level": found["level"].upper() if found else "ERROR",
            "logger": f"httpd.{found['module']}" if found else "httpd",
            "message": found["message"] if found else text,
        }
        os.write(2, json.dumps(entry).encode() + b"\n")


def tell_systemd() -> None:
    """Say once, where systemd started this with Type=notify, that it serves: sd_notify(3)."""
    if path := os.environ.pop("NOTIFY_SOCKET", None):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(b"READY=1", path)


class Httpd:
    """One running httpd, known by its pid file."""

    def __init__(self, pid_file: Path) -> None:
        self.pid_file = pid_file
        # apache/conf-available/wsgi-process.conf closes the connections of an httpd for which this exists.
        self.leaving = Path(f"{pid_file}.leaving")
        for left_behind in (self.pid_file, self.leaving):
            left_behind.unlink(missing_ok=True)
        self.stop_at: float | None = None
        self.has_listened = False
        self.process = subprocess.Popen(  # noqa: S603  what the administrator names
            [HTTPD, *DEFINED, "-D", "FOREGROUND"],
            # The access log says that its times are UTC's.
            env={**os.environ, "APACHE_PID_FILE": str(pid_file), "TZ": "UTC"},
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS),
        )

    def speak(self) -> None:
        """Relay what it writes, from the first line on."""
        # A daemon: what runs on behind httpd must not keep this process from ending.
        self.relay = Thread(target=relay, args=[self.process.stderr or ()], daemon=True)
        self.relay.start()

    def wait(self) -> None:
        """Wait until it has ended, and what it wrote is told."""
        self.process.wait()
        self.relay.join(LAST_WORDS_SECONDS)

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self.process.poll() is not None

    def serves(self) -> bool:
        """Return whether it listens before START_SECONDS are over: then it has written its pid file."""
        deadline = time.monotonic() + START_SECONDS
        while not self.ended and time.monotonic() < deadline:
            if self.pid_file.exists():
                return True
            time.sleep(0.02)
        return False

    def leave(self) -> None:
        """Have clients connect anew, to the other httpd, before it stops."""
        self.leaving.touch()
        self.stop_at = time.monotonic() + KEEP_ALIVE_SECONDS

    def stop_when_due(self) -> None:
        """Stop it once no client can have a connection that it was not told to give up."""
        if self.stop_at is not None and time.monotonic() >= self.stop_at:
            self.stop_at = None
            self.stop()

    def stop(self) -> None:
        """Let it finish what it has begun, and end; one that does not listen yet would not hear SIGWINCH."""
        self.has_listened |= self.pid_file.exists()
        self.process.send_signal(signal.SIGWINCH if self.has_listened else signal.SIGTERM)


def sound() -> bool:
    """Return whether httpd takes its configuration and the application starts; say what is wrong."""
    user = USER if os.geteuid() == 0 else None
    checks = (
        subprocess.run([HTTPD, *DEFINED, "-t"], capture_output=True, text=True, check=False),  # noqa: S603  as above
        subprocess.run(
            ["nice", "venv/bin/python", "-B", "-c", "import app.wsgi"],  # noqa: S607  after httpd's own processes
            capture_output=True, text=True, check=False,
            cwd=CODE, user=user, group=user, extra_groups=[] if user else None,
        ),
    )  # fmt: skip
    for failed in filter(lambda check: check.returncode, checks):
        sys.stderr.write(failed.stderr)
    return not any(check.returncode for check in checks)


def serve() -> int:
    """Keep one httpd serving; return the exit status."""
    folder = Path(os.environ["APACHE_RUN_DIR"])
    started = 1
    current, old = Httpd(folder / "httpd-1.pid"), None
    # Looked at while httpd loads: a start takes a third less time, and a stop need not wait for it.
    verdict: list[bool] = []

    def look() -> None:
        try:
            verdict.append(sound())
        except (LookupError, OSError) as error:  # there is no user "app", or no program of that name
            sys.stderr.write(f"Error: the application cannot be looked at ({error}).\n")
            verdict.append(False)

    Thread(target=look, daemon=True).start()
    looking, serving, replacement_wanted = True, False, False
    while True:
        received = signal.sigtimedwait(SIGNALS, 1.0 if serving else 0.05)
        number = received.si_signo if received else None
        replacement_wanted |= number == signal.SIGHUP
        if verdict == [False]:
            current.process.terminate()
            current.process.wait()
            return 1
        if looking and (verdict or number in STOPS):
            looking = False
            current.speak()
        if old:
            old.stop_when_due()
            old = None if old.ended else old
        if looking:
            continue  # of one that has ended by itself it is about to be known why
        if not serving and current.pid_file.exists():
            serving = True
            tell_systemd()
        if current.ended or number in STOPS:
            status = current.process.poll()
            for httpd in filter(None, (old, current)):
                httpd.stop()
                httpd.wait()
            return max(0, current.process.returncode) if status is None else 1
        # Two at a time: memory and threads are counted for that.
        if replacement_wanted and not old:
            replacement_wanted = False
            if sound():
                started += 1
                new = Httpd(folder / f"httpd-{started}.pid")
                new.speak()
                if new.serves():
                    current.leave()
                    current, old = new, current
                else:
                    new.process.kill()


def main() -> int:
    """Check or serve; return the exit status."""
    # Blocked, a signal waits until serve() asks for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if "--check" in sys.argv[1:]:
        return 0 if sound() else 1
    return serve()


if __name__ == "__main__":
    sys.exit(main())
