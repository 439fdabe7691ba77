"""docker/base-image.sh: the local image, else a pulled one, else one built from this machine's mirror."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import docker
from tests.profiles import ROOT
from tests.stacks import free_port, until

pytestmark = pytest.mark.xdist_group("host")
SCRIPT = str(ROOT / "docker/base-image.sh")


@pytest.fixture
def unknown() -> Iterator[str]:
    """A name that no registry knows; what is built under it is removed."""
    name = f"localhost/base-{uuid.uuid4().hex[:8]}:test"
    yield name
    images = docker.from_env().images
    if images.list(name):
        images.remove(name)


def run(image: str, *prefix: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, SCRIPT],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "BASE_IMAGE": image},
    )


@pytest.mark.alone
def test_local_image_is_used_at_once() -> None:
    started = time.monotonic()
    done = run("debian:trixie-slim")
    assert time.monotonic() - started < 1
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def registry() -> Iterator[str]:
    """A registry of our own, from Debian's package, that has an image named `<address>/base:test`."""
    client, port = docker.from_env(), free_port()
    script = "apt-get update -q && apt-get install -q -y --no-install-recommends docker-registry"
    config = (
        "version: 0.1\nstorage: {filesystem: {rootdirectory: /tmp/registry}}\nhttp: {addr: '0.0.0.0:5000'}\n"
    )
    serve = f"printf %b '{config}' >/tmp/config.yml && exec docker-registry serve /tmp/config.yml"
    server = client.containers.run(
        "debian:trixie-slim",
        ["sh", "-euc", f"{script} >&2; {serve}".replace("\n", "\\n")],
        detach=True,
        init=True,
        ports={"5000/tcp": ("127.0.0.1", port)},
    )
    try:
        until(lambda: b"listening on" in server.logs(), "the registry listens", 120)
        name = f"127.0.0.1:{port}/base:test"
        client.images.get("debian:trixie-slim").tag(name)
        client.images.push(name)
        client.images.remove(name)
        yield name
        client.images.remove(name)
    finally:
        server.remove(force=True, v=True)


def test_image_is_pulled_where_a_registry_has_it(registry: str) -> None:
    done = run(registry)
    assert done.returncode == 0, done.stderr
    assert "mmdebstrap" not in done.stdout
    assert docker.from_env().images.get(registry)


def test_image_is_built_where_no_registry_has_it(unknown: str) -> None:
    done = run(unknown)
    assert done.returncode == 0, done.stderr
    assert "No registry gives" in done.stdout
    assert "==> Mirror: " in done.stdout
    certificates = sorted(f"{p.name}\n" for p in Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    checks = (
        ". /etc/os-release; echo $VERSION_CODENAME; ls /usr/local/share/ca-certificates\napt-get update -q"
    )
    output = docker.from_env().containers.run(unknown, ["sh", "-euc", checks], remove=True).decode()
    assert output.startswith("trixie\n" + "".join(certificates))
    assert docker.from_env().images.get(unknown).attrs["Size"] < 100_000_000


def test_other_users_than_root_are_told_what_to_do(unknown: str) -> None:
    done = run(unknown, "setpriv", "--reuid=65534", "--clear-groups")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "building it needs root" in done.stderr
    assert f"sudo {SCRIPT}" in done.stderr


def test_machine_without_network_is_told_to_check_its_mirrors(unknown: str) -> None:
    done = run(unknown, "unshare", "--net")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: building {unknown} failed")
    assert "mirrors" in done.stderr
