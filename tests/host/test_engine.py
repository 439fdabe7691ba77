"""docker/engine.sh: quick where an engine answers, a sentence where it must refuse, an engine where it may.

A fresh machine is a container of the base image here, which has no Docker in it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

import docker
from tests.inside import run_inside
from tests.profiles import ROOT

pytestmark = pytest.mark.xdist_group("host")

ENGINE = "/stack/docker/engine.sh"


@pytest.fixture
def machine() -> Iterator[Callable[..., Container]]:
    """Start fresh machines, with further options of `docker run`; they are removed afterwards."""
    client = docker.from_env()
    started: list[Container] = []

    def start(*options: str) -> Container:
        identity = subprocess.run(
            ["docker", "run", "--detach", "--init", "--volume", f"{ROOT}/docker:/stack/docker:ro", *options,
             "debian:trixie-slim", "sleep", "600"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        started.append(client.containers.get(identity))
        return started[-1]

    yield start
    for container in started:
        container.remove(force=True, v=True)


def run(container: Container, command: str = ENGINE, **options: Any) -> tuple[int, str]:
    code, output = run_inside(container, ["bash", "-c", command], **options)
    return code, output.decode()


def assert_refused(answer: tuple[int, str], *sentences: str) -> None:
    code, said = answer
    assert code == 1
    last = said.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for sentence in sentences:
        assert sentence in last


@pytest.mark.alone
def test_nothing_is_said_and_done_where_an_engine_answers() -> None:
    started = time.monotonic()
    done = subprocess.run([ROOT / "docker/engine.sh"], check=True, capture_output=True, text=True)
    assert time.monotonic() - started < 1
    assert (done.stdout, done.stderr) == ("", "")


def test_dead_docker_host_is_named() -> None:
    done = subprocess.run(
        [ROOT / "docker/engine.sh"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:9"},
    )
    assert_refused(
        (done.returncode, done.stderr), "no Docker engine answers at DOCKER_HOST=tcp://127.0.0.1:9", "unset"
    )


def test_other_users_than_root_are_told_what_to_do(machine: Callable[..., Container]) -> None:
    answer = run(machine(), user="nobody")
    assert_refused(answer, "installing one needs root", f"sudo {ENGINE}", "join the group 'docker'")


def test_engine_install_no_is_obeyed(machine: Callable[..., Container]) -> None:
    answer = run(machine(), environment={"ENGINE_INSTALL": "no"})
    assert_refused(answer, "ENGINE_INSTALL=no forbids installing one", "Install Docker")


def test_unknown_distribution_is_named(machine: Callable[..., Container], tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text("ID=plan9\n", encoding="ascii")
    answer = run(machine("--volume", f"{release}:/etc/os-release:ro"))
    assert_refused(answer, "'plan9' is neither Debian nor Ubuntu", "Install Docker")


def test_machine_without_network_is_told_to_check_its_mirrors(machine: Callable[..., Container]) -> None:
    answer = run(machine("--network", "none"))
    assert_refused(answer, "Reading the package lists failed", "/etc/apt/sources.list")


def test_engine_is_installed_started_and_then_left_alone(machine: Callable[..., Container]) -> None:
    """Docker within Docker, with all that this kernel lets a container have; no systemd there."""
    container = machine(
        "--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--security-opt=seccomp=unconfined",
        "--security-opt=systempaths=unconfined", "--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup",
        "--tmpfs=/var/lib/docker", "--tmpfs=/run",
    )  # fmt: skip
    # What a daemon that died leaves behind must not stop the next one.
    run(container, "echo 1 >/run/docker.pid")
    code, said = run(container)
    assert code == 0, said
    assert "==> Installing the engine" in said
    assert "==> Starting the engine (dockerd" in said
    assert run(container, "docker info --format '{{.ServerVersion}}' && docker compose version")[0] == 0
    assert run(container) == (0, "")
