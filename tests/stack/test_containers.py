"""The containers of a profile: no root, nothing writable, one published port, health that means it."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from docker.models.containers import Container

from tests.profiles import PRODUCTION, ROOT
from tests.stacks import Stack, until


def test_containers_run_without_privileges(stack: Stack) -> None:
    for container in stack.containers():
        host, config = container.attrs["HostConfig"], container.attrs["Config"]
        assert config["User"] not in {"", "0", "root"}, container.name
        assert host["ReadonlyRootfs"], container.name
        assert host["CapDrop"] == ["ALL"], container.name
        assert host["CapAdd"] is None, container.name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], container.name
        assert not host["Privileged"], container.name
        assert 0 < host["PidsLimit"] <= 1000, container.name
        assert 0 < host["Memory"] <= 512 * 1024 * 1024, container.name


def published(container: Container) -> dict[str, set[str]]:
    ports = container.attrs["HostConfig"]["PortBindings"] or {}
    return {inside: {b["HostIp"] for b in bindings} for inside, bindings in ports.items()}


def test_only_the_front_end_and_the_mail_page_are_published(stack: Stack) -> None:
    found = {c.labels["com.docker.compose.service"]: published(c) for c in stack.containers()}
    here = {"127.0.0.1"}
    assert found.pop("mail") == {"1080/tcp": here}
    front = found.pop(stack.profile.name)
    front.pop("443/udp", None)  # HTTP/3, where the server has it
    assert front == (
        {"80/tcp": here, "443/tcp": here} if stack.profile.name in PRODUCTION else {"80/tcp": here}
    )
    assert not any(found.values())


def test_debugger_is_never_published_to_others() -> None:
    """Whoever reaches the development server's debugger runs code on this machine."""
    config = subprocess.run(
        ["docker", "compose", "--profile", "dev", "config", "--format", "json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "BIND": "0.0.0.0"},
    ).stdout
    assert [p["host_ip"] for p in json.loads(config)["services"]["dev"]["ports"]] == ["127.0.0.1"]


def test_mail_goes_to_the_server_that_is_named() -> None:
    """To the catcher by default; every app container is told alike."""
    named = {
        "MAIL_SERVER": "smtp.example.org",
        "MAIL_USE_TLS": "true",
        "MAIL_DEFAULT_SENDER": "a@example.org",
    }
    config = subprocess.run(
        ["docker", "compose", "--profile", "*", "config", "--format", "json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **named},
    ).stdout
    services = json.loads(config)["services"].values()
    told = [s["environment"] for s in services if "APP_SECRET_KEY_FILE" in (s.get("environment") or {})]
    assert len(told) >= 3
    for environment in told:
        assert named.items() <= environment.items()


@pytest.mark.parametrize("role", ["front end", "mail catcher"])
def test_container_becomes_healthy(stack: Stack, role: str) -> None:
    service = stack.profile.name if role == "front end" else "mail"
    until(
        lambda: stack.container(service).attrs["State"]["Health"]["Status"] == "healthy",
        f"{service} is healthy",
    )


def test_front_end_is_healthy_only_while_the_app_answers(stack: Stack) -> None:
    def health() -> int:
        """Run the health check of the image by hand, with less patience."""
        _, curl, *arguments = stack.image(stack.front).attrs["Config"]["Healthcheck"]["Test"]
        return stack.attempt(stack.front, curl, "--max-time", "2", *arguments)[0]

    assert health() == 0
    with stack.app_stopped():
        assert health() != 0


def test_image_carries_the_files_of_the_folder(stack: Stack) -> None:
    """Compose mounts the folders over the image's copies, for `make reload`: both must be the same."""
    for container in stack.containers():
        for mount in container.attrs["Mounts"]:
            folder = mount["Destination"]
            if mount["Type"] != "bind" or not folder.startswith("/srv/") or container.status != "running":
                continue
            if folder == "/srv/static/traps":  # the tests' own, see tests/compose.yaml
                continue
            script = f"cd {folder} && find . -type f ! -name '*.pyc' -exec sha256sum {{}} + | sort -k2"
            baked = stack.docker.containers.run(
                stack.image(container), ["-c", script], entrypoint="sh", remove=True, network_disabled=True
            )
            assert baked.decode().splitlines() == stack.execute(container, "sh", "-c", script).splitlines()
            assert baked
