"""Which tests a run asks of which profiles: none is asked of nobody."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.debian import OWN, SIBLINGS
from tests.profiles import PROFILES, ROOT
from tests.stacks import copy_of_repository

# Of what a variant shares with its sibling; of a front end's own files; of each profile; of its server.
SHARED = "tests/stack/test_ipv6.py"
FRONT_END = "tests/stack/test_framing.py"
ITSELF = "tests/stack/test_containers.py::test_R1_server_that_root_starts_serves_as_another_user"
DIFFERENCE = "tests/stack/test_limits.py::test_L2_request_has_100_headers"
SERVER = "tests/stack/test_metrics.py::test_V3_requests_are_counted_across_processes"
CONTRACT = "tests/contract/test_guide_application.py"


@pytest.mark.parametrize(
    ("file", "profiles", "asked"),
    [
        (CONTRACT, "apache-express,apache", {"apache-express", "apache"}),
        # Two with one front end.
        (FRONT_END, "nginx,granian,dev", {"nginx", "dev"}),
        (SHARED, "nginx,granian,uwsgi", {"nginx"}),
        (ITSELF, "granian,nginx,dev", {"granian", "nginx"}),
        # Two with one application server.
        (
            SERVER,
            "apache-gunicorn,apache-fastcgi,nginx-fastcgi,dev",
            {"apache-gunicorn", "apache-fastcgi", "dev"},
        ),
        # It is no variant's to show where there is another.
        (SERVER, "apache-gunicorn,apache-fastcgi,nginx,lighttpd", {"nginx", "lighttpd"}),
        (CONTRACT, "granian,nginx", {"granian", "nginx"}),
        # One that is shared, and ends otherwise in one of them.
        (DIFFERENCE, "nginx,granian,waitress", {"nginx", "granian"}),
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


def collected(*arguments: str) -> set[str]:
    """Return the tests that a run would ask."""
    command = [sys.executable, "-m", "pytest", *arguments, "--profiles", "nginx", "--collect-only", "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(re.findall(r"^tests/\S+::.*$", done.stdout, re.M))


def test_run_of_profiles_and_run_of_none_ask_all_between_them() -> None:
    files = ("tests/app/test_sqlite.py", "tests/stack/test_reload.py", ITSELF)
    of_profiles, of_none = (collected(*files, "--of", kind) for kind in ("profiles", "none"))
    assert of_profiles
    assert of_none
    assert not of_profiles & of_none
    assert of_profiles | of_none == collected(*files)
    assert all("nginx" in test for test in of_profiles)
    assert not any("nginx" in test for test in of_none)


def make_test(folder: Path, pytest_: str, *arguments: str) -> str:
    """Run `make test` where every step but it is empty, and pytest is the given script; what it said."""
    copy_of_repository(folder)
    (folder / ".venv").unlink()
    steps = ("docker/engine.sh", "docker/base-image.sh", "docker/secrets.sh", "docker/images.sh")
    for name in (
        *steps,
        "docker/certs.sh",
        "tests/setup.sh",
        "tests/lint.sh",
        ".venv/bin/python",
        ".venv/bin/pytest",
        "bin/docker",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{pytest_ if name.endswith('pytest') else ''}\n")
        (folder / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "PROFILE"}
    environment |= {"PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["make", "test", *arguments],
        cwd=folder, check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    return done.stdout


def test_make_within_a_test_is_not_given_the_profile_of_the_run(tmp_path: Path) -> None:
    """`make test PROFILE=x` tells its own tests of x, and not the make that a test runs."""
    (tmp_path / "inner.mk").write_text('PROFILE ?= the test\'s own\nshow: ; @echo "profile: $(PROFILE)"\n')
    inner = "exec make --no-print-directory -f inner.mk show"
    assert make_test(tmp_path, inner, "PROFILE=waitress").count("profile: the test's own") == 2


@pytest.mark.parametrize(("arguments", "of"), [(["PROFILE=waitress"], " --of profiles"), ([], "")])
def test_run_of_one_profile_leaves_out_what_is_of_none(tmp_path: Path, arguments: list[str], of: str) -> None:
    said = make_test(tmp_path, 'echo "pytest $*"', *arguments)
    assert said.count(f"pytest tests{of} --profiles ") == 2, said
    assert said.count(" and not at_length ") == 2, said


def test_what_takes_long_is_left_to_test_host() -> None:
    files = ("tests/host/test_siblings.py", "tests/host/test_upgrade.py", "tests/host/test_older.py")
    ours, left = (collected(*files, "-m", mark) for mark in ("not at_length", "at_length"))
    assert not ours & left
    for ones, servers in (
        (ours, ("uwsgi", "lighttpd-spawn", "nginx")),
        (left, (*SIBLINGS.keys() - {*OWN}, "apache")),
    ):
        assert all(any(server in test for test in ones) for server in servers)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    command = next(line for line in makefile.splitlines() if "tests/host/test_debian.py" in line)
    assert all(file in command for file in files)
    assert "at_length" not in command


def test_run_keeps_what_python_compiled(tmp_path: Path) -> None:
    said = make_test(tmp_path, 'echo "unwritten: ${PYTHONDONTWRITEBYTECODE-no}"', "PROFILE=waitress")
    assert said.count("unwritten: no\n") == 2, said
