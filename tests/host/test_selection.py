"""Which tests a run asks of which profiles: none is asked of nobody."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.profiles import PROFILES, ROOT
from tests.stacks import copy_of_repository

# Of what a variant shares with its sibling; of a front end's own files; of the application server.
SHARED = "tests/stack/test_ipv6.py"
FRONT_END = "tests/stack/test_verify.py"
SERVER = "tests/stack/test_fuzz.py"
CONTRACT = "tests/contract/test_guide_application.py"


@pytest.mark.parametrize(
    ("file", "profiles", "asked"),
    [
        (CONTRACT, "apache-express,apache", {"apache-express", "apache"}),
        # Two with one front end.
        (FRONT_END, "nginx,granian,dev", {"nginx"}),
        (SHARED, "nginx,granian,uwsgi", {"nginx"}),
        (SERVER, "granian,nginx,dev", {"granian", "nginx"}),
        (CONTRACT, "granian,nginx", {"granian", "nginx"}),
        # One of its own with two that share one.
        (SHARED, "nginx,nginx-fastcgi,gevent", {"nginx"}),
        (FRONT_END, "nginx,nginx-fastcgi,gevent", {"nginx", "nginx-fastcgi"}),
        # One alone is asked all.
        (SHARED, "apache-express", {"apache-express"}),
        (FRONT_END, "granian", {"granian"}),
        # Front ends that are no variants of each other have nothing in common.
        (SHARED, "apache,nginx,lighttpd", {"apache", "nginx", "lighttpd"}),
        (FRONT_END, "apache,nginx,lighttpd", {"apache", "nginx", "lighttpd"}),
    ],
)
def test_run_asks(file: str, profiles: str, asked: set[str]) -> None:
    command = [sys.executable, "-m", "pytest", file, "--profiles", profiles, "--collect-only", "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = "|".join(sorted(PROFILES, key=len, reverse=True))  # nginx-fastcgi is not nginx
    assert set(re.findall(rf"(?<=[\[-])(?:{names})(?=[\]-])", done.stdout)) == asked, done.stdout


def test_make_within_a_test_is_not_given_the_profile_of_the_run(tmp_path: Path) -> None:
    """`make test PROFILE=x` tells its own tests of x, and not, by MAKEFLAGS, the make that a test runs."""
    folder = copy_of_repository(tmp_path)
    (folder / ".venv").unlink()
    (folder / "inner.mk").write_text('PROFILE ?= the test\'s own\nshow: ; @echo "profile: $(PROFILE)"\n')
    steps = ("docker/engine.sh", "docker/base-image.sh", "docker/secrets.sh", "docker/images.sh")
    for name in (
        *steps,
        "docker/certs.sh",
        "tests/setup.sh",
        "tests/lint.sh",
        ".venv/bin/python",
        "bin/docker",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    pytest_ = folder / ".venv/bin/pytest"
    pytest_.write_text("#!/bin/sh\nexec env -u PROFILE make --no-print-directory -f inner.mk show\n")
    pytest_.chmod(0o755)
    done = subprocess.run(
        ["make", "test", "PROFILE=waitress"], cwd=folder, check=True, capture_output=True, text=True,
        env=os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.stdout.count("profile: the test's own") == 2, done.stdout
