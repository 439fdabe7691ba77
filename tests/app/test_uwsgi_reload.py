"""How uWSGI is asked for new code; that it takes it, tests of its profile show."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

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


def refusal(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["uwsgi_reload", *arguments])
    with pytest.raises(SystemExit) as refused:
        uwsgi_reload.main()
    return str(refused.value)


def test_uwsgi_that_never_takes_the_new_code_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uwsgi_reload, "PATIENCE", 1)
    command = [sys.executable, "-c", MASTER, "1000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as master:
        assert master.stdout
        assert master.stdout.readline() == "ready\n"
        said = refusal(monkeypatch, str(master.pid))
        assert said == "error: uWSGI does not serve new code after 2 s; look at its log, restart it."
        for child in uwsgi_reload.children(master.pid):
            os.kill(int(child), signal.SIGKILL)
        master.kill()


def test_uwsgi_that_is_not_there_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(uwsgi_reload, "PID_FILE", tmp_path / "uwsgi.pid")
    assert refusal(monkeypatch) == f"error: there is no {tmp_path}/uwsgi.pid: uWSGI does not run; start it."
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
        said = refusal(monkeypatch, str(ended.pid))
        assert said == f"error: uWSGI, process {ended.pid}, has ended; look at its log, start it."


def test_uwsgi_that_ends_meanwhile_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does where it cannot read its new configuration."""
    ends = """
import signal, subprocess, sys

with subprocess.Popen(["sleep", "60"]) as child:
    signal.signal(signal.SIGHUP, lambda *_: child.kill())
    print("ready", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", ends], stdout=subprocess.PIPE, text=True) as master:
        assert master.stdout
        assert master.stdout.readline() == "ready\n"
        reaps = Thread(target=master.wait)
        reaps.start()
        said = refusal(monkeypatch, str(master.pid))
        reaps.join()
    assert said == f"error: uWSGI, process {master.pid}, has ended; look at its log, start it."
