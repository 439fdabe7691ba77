"""servers/httpd.py: its start, with stand-ins for httpd and for the Python that imports the application."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.profiles import ROOT
from tests.stacks import until

HTTPD = """#!/bin/sh
[ "$1" = -t ] && exit
{then}
"""
WAITS = "while :; do sleep 0.1; done"
LISTENS = f"trap 'exit 0' WINCH\necho $$ > $APACHE_PID_FILE\n{WAITS}"


class Started:
    """The script in a folder of its own, with what stands in for the two that it starts."""

    def __init__(self, folder: Path, *, httpd: str, python: str, user: str | None = None) -> None:
        (folder / "servers").mkdir()
        shutil.copy(ROOT / "servers/httpd.py", folder / "servers")
        (folder / "venv/bin").mkdir(parents=True)
        stand_ins = {
            "httpd": HTTPD.format(then=httpd),
            "venv/bin/python": f"#!/bin/sh\necho $$ > {folder}/looking\n{python}\n",
        }
        for name, text in stand_ins.items():
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o755)
        self.folder = folder
        environment = {"APACHE_RUN_DIR": str(folder), "APACHE_HTTPD": str(folder / "httpd")}
        text = (folder / "servers/httpd.py").read_text(encoding="utf-8")
        # There is no user "app" here, and no need for one.
        (folder / "servers/httpd.py").write_text(
            text.replace("USER if os.geteuid() == 0 else None", repr(user))
        )
        self.process = subprocess.Popen(
            ["python3", "servers/httpd.py"],
            cwd=folder, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def until_there(self, *names: str) -> None:
        """Wait for files of its folder."""
        for name in names:
            until((self.folder / name).exists, f"{name} is there")

    def ends(self) -> tuple[int, str]:
        """Return the exit status and what was said; within less time than a look of 60 s takes."""
        said = self.process.communicate(timeout=20)[1]
        return self.process.returncode, said


@pytest.mark.parametrize(("httpd", "seen"), [(LISTENS, "httpd-1.pid"), (WAITS, "looking")])
def test_stop_does_not_wait_for_the_look_at_the_application(tmp_path: Path, httpd: str, seen: str) -> None:
    """On a busy machine the look takes its time, and a stop has 40 s in all."""
    started = Started(tmp_path, httpd=httpd, python="exec sleep 60 2>&-")
    try:
        started.until_there("looking", seen)
        started.process.send_signal(signal.SIGTERM)
        assert started.ends() == (0, "")
    finally:
        os.kill(int((tmp_path / "looking").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("httpd", [LISTENS, "exit 1"])
def test_application_that_does_not_start_is_told_and_ends_it(tmp_path: Path, httpd: str) -> None:
    started = Started(tmp_path, httpd=httpd, python="sleep 0.5; echo 'Error: no secret key' >&2; exit 1")
    assert started.ends() == (1, "Error: no secret key\n")


def test_user_that_is_missing_is_told_and_ends_it(tmp_path: Path) -> None:
    started = Started(tmp_path, httpd=LISTENS, python="exit 0", user="nobody-has-this-name")
    status, said = started.ends()
    assert status == 1
    assert said.startswith("Error: the application cannot be looked at (")
    assert "nobody-has-this-name" in said
    assert said.count("\n") == 1


def test_httpd_that_ends_by_itself_ends_it(tmp_path: Path) -> None:
    started = Started(tmp_path, httpd="exit 3", python="exit 0")
    status, said = started.ends()
    assert (status, said) == (1, "")


def test_httpd_that_ends_by_itself_has_said_why(tmp_path: Path) -> None:
    """All of it, though it ends while the application is looked at, or at once."""
    speaks = (
        'i=0; while [ $i -lt 500 ]; do echo "(98)Address already in use $i" >&2; i=$((i + 1)); done; exit 1'
    )
    status, said = Started(tmp_path, httpd=speaks, python="exit 0").ends()
    assert status == 1
    assert [json.loads(line)["message"] for line in said.splitlines()] == [
        f"(98)Address already in use {number}" for number in range(500)
    ]


def test_systemd_is_told_once_it_serves(tmp_path: Path, systemd: socket.socket) -> None:
    """That is when the application is found sound, and httpd listens."""
    first = f"until [ -e {tmp_path}/goes-on ]; do sleep 0.01; done"
    started = Started(tmp_path, httpd=LISTENS, python=first)
    try:
        started.until_there("looking", "httpd-1.pid")
        systemd.setblocking(False)
        with pytest.raises(BlockingIOError):
            systemd.recv(64)
        (tmp_path / "goes-on").touch()
        systemd.settimeout(10)
        assert systemd.recv(64) == b"READY=1"
    finally:
        started.process.send_signal(signal.SIGTERM)
        assert started.ends() == (0, "")


def test_systemd_is_not_told_where_the_application_does_not_start(
    tmp_path: Path, systemd: socket.socket
) -> None:
    assert Started(tmp_path, httpd=LISTENS, python="exit 1").ends() == (1, "")
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(64)
