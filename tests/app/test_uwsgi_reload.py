"""How uWSGI is asked for new code; that it takes it, tests of its profile show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from servers import uwsgi_reload

MASTER = """
import subprocess, sys, time
from pathlib import Path

child = subprocess.Popen(["sleep", "60"])
print("ready", flush=True)
while not Path(sys.argv[1]).exists():
    time.sleep(0.05)
child.kill()
child.wait()
child = subprocess.Popen(["sleep", "60"])
sys.stdin.read()
child.kill()
child.wait()
"""


def test_uwsgi_is_asked_by_a_file_and_by_no_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handler writes to the log: where the master was just writing there, both wait for ever."""
    request = tmp_path / "uwsgi.reload"
    monkeypatch.setattr(uwsgi_reload, "REQUEST", request)
    command = [sys.executable, "-c", MASTER, str(request)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as master:
        assert master.stdout
        assert master.stdout.readline() == "ready\n"
        monkeypatch.setattr(sys, "argv", ["uwsgi_reload", str(master.pid)])
        uwsgi_reload.main()
        assert master.poll() is None
        master.communicate()
    assert master.returncode == 0


def test_file_is_the_one_that_uwsgi_looks_at() -> None:
    settings = Path(uwsgi_reload.__file__).with_name("uwsgi.ini").read_text(encoding="utf-8")
    assert f"\ntouch-chain-reload = {uwsgi_reload.REQUEST}\n" in settings
