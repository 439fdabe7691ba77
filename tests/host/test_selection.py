"""Which tests a run asks of which profiles: none is asked of nobody."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.debian import OWN, SIBLINGS, UNITS
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


def make(folder: Path, pytest_: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `make` where its steps are empty, Python says what it is given, and pytest is the given script."""
    copy_of_repository(folder)
    (folder / ".venv").unlink()
    programs = {".venv/bin/python": 'echo "python $*"', ".venv/bin/pytest": pytest_, "bin/docker": ""}
    steps = ("docker/engine.sh", "docker/base-image.sh", "docker/secrets.sh", "docker/images.sh")
    programs |= dict.fromkeys((*steps, "docker/certs.sh", "tests/setup.sh", "tests/lint.sh"), "")
    for name, script in programs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "PROFILE"}
    environment |= {"PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder, check=False, capture_output=True, text=True, env=environment,
    )  # fmt: skip


def make_test(folder: Path, pytest_: str, *arguments: str) -> str:
    """Run `make test` so; what it said."""
    done = make(folder, pytest_, "test", *arguments)
    assert done.returncode == 0, done.stderr
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
    assert all(file in command for file in ("tests/host/test_operation.py", *files))
    assert "at_length" not in command


COLLECTS = f'exec {sys.executable} -m pytest "$@" --collect-only'


@pytest.mark.parametrize("name", ["nginx", "apache-gunicorn", "lighttpd-spawn", "uwsgi"])
def test_make_test_host_asks_one_profile(tmp_path: Path, name: str) -> None:
    done = make(tmp_path, COLLECTS, "test-host", f"PROFILE={name}")
    names = "|".join(sorted(UNITS, key=len, reverse=True))
    tests = re.findall(r"^tests/host/test_\S+$", done.stdout, re.M)
    assert tests
    assert [test for test in tests if {*re.findall(rf"(?<=[\[-])(?:{names})(?=[\]-])", test)} != {name}] == []


def test_make_test_host_says_which_profile_has_no_readme(tmp_path: Path) -> None:
    done = make(tmp_path, COLLECTS, "test-host", "PROFILE=apache-express")
    assert done.returncode == 2
    said = "error: the README of apache-express is not run by a test yet; systemd/files.csv names those that"
    assert done.stderr.startswith(said)


@pytest.mark.parametrize(
    ("arguments", "run"),
    [
        (["bench"], "bench --rounds 3 --seconds 2"),
        (["bench", "PROFILE=apache", "ROUNDS=1"], "bench apache --rounds 1 --seconds 2"),
        (["bench-curves", "DURATION=1"], "bench.curves nginx --rounds 3 --seconds 1"),
        (["bench-settings"], "bench.settings --rounds 3 --seconds 2"),
        (["bench-settings", "PROFILE=lighttpd"], "bench.settings lighttpd --rounds 3 --seconds 2"),
        (["bench-check", "PROFILE=dev"], "bench dev --rounds 3 --seconds 2\npython -m bench.check"),
        (["prove-config", "PROFILE=apache"], "tests.prove_config apache"),
    ],
)
def test_make_hands_on_what_is_chosen(tmp_path: Path, arguments: list[str], run: str) -> None:
    done = make(tmp_path, "", *arguments)
    assert [" ".join(line.split()) for line in done.stdout.splitlines()] == f"python -m {run}".splitlines()


def test_run_keeps_what_python_compiled(tmp_path: Path) -> None:
    said = make_test(tmp_path, 'echo "unwritten: ${PYTHONDONTWRITEBYTECODE-no}"', "PROFILE=waitress")
    assert said.count("unwritten: no\n") == 2, said
