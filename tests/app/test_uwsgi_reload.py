"""How uWSGI is asked for new code; that it takes it, tests of its profile show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from servers import uwsgi_reload

# Passes over the first request where it is told to; then replaces its two children, as slowly as uWSGI.
MASTER = """
import signal, subprocess, sys, time

# Loads for a second; then it has threads.
WORKER = "import threading, time; time.sleep(1); threading.Thread(target=time.sleep, args=[60]).start()"
asked = 0

def count(*_):
    global asked
    asked += 1

signal.signal(signal.SIGHUP, count)
children = [subprocess.Popen([sys.executable, "-c", WORKER]) for _ in range(2)]
print("ready", flush=True)
while asked < int(sys.argv[1]):
    time.sleep(0.05)
for number in range(2):
    time.sleep(2)
    children[number].kill()
    children[number].wait()
    children[number] = subprocess.Popen([sys.executable, "-c", WORKER])
sys.stdin.read()
for child in children:
    child.kill()
    child.wait()
print(asked, flush=True)
"""


@pytest.mark.parametrize("needed", [1, 2])
def test_uwsgi_is_asked_by_no_more_signals_than_it_needs(
    needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may come while its master writes to the log, and lock it up for ever."""
    command = [sys.executable, "-c", MASTER, str(needed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as master:
        assert master.stdout
        assert master.stdout.readline() == "ready\n"
        monkeypatch.setattr(sys, "argv", ["uwsgi_reload", str(master.pid)])
        uwsgi_reload.main()
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text(encoding="ascii").split()
        assert [len(list(Path(f"/proc/{child}/task").iterdir())) for child in children] == [2, 2]
        assert master.communicate()[0] == f"{needed}\n"
