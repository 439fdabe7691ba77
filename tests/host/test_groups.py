"""Tests of a group share a stack: pytest-xdist must keep them in one process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

from tests.profiles import ROOT

GROUPED = """
import pytest

@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in "ab"])
def test_it(name, number):
    pass
"""


def test_tests_of_a_module_and_of_a_function_stand_together() -> None:
    """What a module's fixture provides, a stack even, is made once for each profile and parameter."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "--quiet",
        "--profiles",
        "apache,nginx",
        "tests/stack",
    ]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found = re.findall(r"^(tests/.*?)::(\w+)\[(.*)\]$", done.stdout, re.M)
    profiles = [
        next((name for name in ("apache", "nginx") if name in parameters), "") for *_, parameters in found
    ]
    assert len(found) > 1000
    for runs in (
        groupby(profiles),
        groupby((profile, module) for profile, (module, *_) in zip(profiles, found, strict=True)),
        groupby((profile, *names) for profile, (*names, _) in zip(profiles, found, strict=True)),
    ):
        keys = [key for key, _ in runs]
        assert len(keys) == len(set(keys))


def test_tests_of_a_group_run_in_one_process(tmp_path: Path) -> None:
    """pytest 9.2 and pytest-xdist 3.8 do not: every process would start a stack for each profile."""
    (tmp_path / "test_grouped.py").write_text(GROUPED, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    ran = re.findall(r"^\[(gw\d)\].*PASSED .*\[([ab])-\d\]", done.stdout, re.M)
    assert len(ran) == 8
    assert len({(process, group) for process, group in ran}) == 2


SHOW = """
def pytest_collection_finish(session):
    for item in session.items:
        groups = {mark.args[0] for mark in item.iter_markers("xdist_group")}
        print("group", item.module.__name__, "_".join(sorted(groups)), sep="|")
"""


def test_modules_of_one_profile_run_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text(SHOW, encoding="utf-8")

    def groups(profiles: str) -> set[tuple[str, str]]:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "show", "tests/contract"]
        done = subprocess.run(
            [*command, "--profiles", profiles],
            cwd=ROOT, check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
        return set(re.findall(r"^group\|(.*)\|(.*)$", done.stdout, re.M))

    assert {group for _, group in groups("apache,nginx")} == {"apache", "nginx"}
    alone = groups("nginx")
    assert len(alone) == len({group for _, group in alone}) == len({module for module, _ in alone}) > 10
