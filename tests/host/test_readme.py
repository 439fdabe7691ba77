"""What README says is run: every command of it, in a checkout of its own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.profiles import ROOT, table
from tests.stacks import Stack, copy_of_repository

pytestmark = pytest.mark.xdist_group("host")

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = "".join(re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S))
COMMANDS = [line.split("#")[0].strip() for line in BLOCKS.splitlines()]
CI = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
ALREADY_RUNNING = {"make test", "make lint"}  # this test is a part of the first, which begins with the second


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    project = tmp_path / "myproject/app.py"  # of which the page speaks
    project.parent.mkdir()
    project.write_text("from wsgiref.simple_server import demo_app as app\n", encoding="utf-8")
    stack = Stack("nginx", copy_of_repository(tmp_path / "checkout"))
    yield stack
    stack.remove()


def test_every_command_of_the_readme_works(stack: Stack) -> None:
    commands = [command for command in COMMANDS if command not in ALREADY_RUNNING]
    assert commands[0] == "make up PROFILE=nginx"
    # The page shows how to stop before it shows what one does day by day.
    for command in sorted(commands, key=lambda command: command == "make down"):
        tool, *arguments = command.split()
        if tool == "make":
            said = stack.make(*arguments).stdout
            assert said or command == "make status"
        else:
            assert (stack.folder / arguments[-1]).is_file(), command
    assert stack.containers() == []


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "make test" in CI
    assert "make test" in COMMANDS


def test_first_screen_has_every_profile() -> None:
    screen = README.split("\n## ")[0]
    assert table() in screen, "python -m tests.profiles writes it"
    assert len(README.splitlines()) <= 150


def test_files_that_the_readme_links_to_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_workflow_tests_every_profile_with_the_same_command() -> None:
    workflow = (ROOT / ".github/workflows/test.yaml").read_text(encoding="utf-8")
    assert "run: tail -n +2 profiles.csv | jq" in workflow
    assert "profile: ${{ fromJSON(needs.profiles.outputs.names) }}" in workflow
    assert "make test PROFILE=${{ matrix.profile }}" in workflow
    assert "pytest tests --of none " in workflow, "a run of one profile leaves that out"


@pytest.mark.parametrize(("fails", "status"), [("test", 1), ("bench", 1), ("nothing", 0)])
def test_ci_tells_what_a_request_costs_and_does_not_fail_on_that(
    tmp_path: Path, fails: str, status: int
) -> None:
    """There is no run to compare: bench.check fails."""
    folder = copy_of_repository(tmp_path / "checkout")
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "make $1"\n[ "$1" != {fails} ]\n')
    make.chmod(0o755)
    done = subprocess.run(
        [folder / ".ci/run"], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == status
    assert done.stdout.startswith("make test\n")
    assert ("make bench\n" in done.stdout) == (fails != "test")
    assert ("CI does not fail on what make bench-check says" in done.stdout) == (fails == "nothing")


def test_env_file_gives_what_nobody_says(tmp_path: Path) -> None:
    folder = copy_of_repository(tmp_path)
    (folder / ".env").write_text("# a comment\nPROFILE=dev\nPORT=8123\n", encoding="utf-8")
    named = ("PROFILE", "STACK", "TAG", "PORT", "TLS_PORT", "MAIL_PORT", "BIND")
    bare = {name: value for name, value in os.environ.items() if name not in named}

    def seen(*arguments: str, **environment: str) -> str:
        show = ["make", "--no-print-directory", "--eval=show: ; @echo $(PROFILE) $$PORT", "show", *arguments]
        return subprocess.run(
            show, cwd=folder, env=bare | environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    assert seen() == "dev 8123"
    assert seen(PORT="9000") == "dev 9000"
    assert seen("PROFILE=nginx", PORT="9000") == "nginx 9000"
    (folder / ".env").unlink()
    assert seen() == "nginx"
