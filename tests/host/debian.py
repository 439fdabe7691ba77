"""A Debian server for tests: a container in which systemd is the first process; README's commands.

Nothing of ours is in its image.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import requests
from docker.models.containers import Container

import docker
from tests.inside import run_inside
from tests.profiles import PROFILES, ROOT, Profile
from tests.stacks import copy_of_repository, free_port, until

SERVERS = {"nginx": ("nginx", "gunicorn"), "lighttpd": ("lighttpd", "flup"), "apache": ("apache2", "apache2")}
SIBLINGS = {
    "nginx-fastcgi": ("nginx", "flup"),
    "lighttpd-gunicorn": ("lighttpd", "gunicorn"),
    "apache-gunicorn": ("apache2", "gunicorn"),
    "apache-fastcgi": ("apache2", "flup"),
    "uwsgi": ("nginx", "uwsgi"),
    "lighttpd-spawn": ("lighttpd", "lighttpd"),
}
"""The profiles whose folders say how, and the units of each one's front end and application server.

Siblings share one with one of the others, and are asked less: test_siblings.py.
"""
OWN = ["uwsgi", "lighttpd-spawn"]
"""Those with units that no other profile has; the others' are left to `make test-host`."""
UNITS = {**SERVERS, **SIBLINGS}
# Of each application server: flup's workers are forked by a third process, and lighttpd starts a fourth.
GENERATION = {"gunicorn": 2, "flup": 3, "apache2": 2, "uwsgi": 2, "lighttpd": 4}
WITH_SOCKET = [name for name, (_, app) in UNITS.items() if (ROOT / f"systemd/{app}.socket").exists()]
FRESH = """
FROM debian:{suite}-slim
RUN apt-get update && apt-get install -y --no-install-recommends systemd systemd-sysv dbus iproute2 procps \
    curl \
    && systemctl mask systemd-modules-load
STOPSIGNAL SIGRTMIN+3
CMD ["sh", "-c", "mount --make-rshared / && exec /sbin/init"]
"""
"""No module can be loaded. Mounts are seen by all, as on a machine; those in a container are not."""
INSTALLED = """
RUN {debian}
COPY . /srv/app/requirements
ARG PIP_INDEX_URL
RUN {python} && rm -r /srv/app/requirements
"""
"""What a layer has cannot be exchanged for another by its name, as deploy.sh does with folders."""
NEW, OLD = "trixie", "bookworm"
"""Debian 13 and 12."""
CGROUPS = Path("/sys/fs/cgroup")
# All that this kernel lets a container have: systemd makes namespaces and control groups for its services.
RIGHTS = (
    *("--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--security-opt=seccomp=unconfined"),
    *("--security-opt=systempaths=unconfined", "--cgroupns=host", "--tmpfs=/run", "--tmpfs=/tmp"),
    # The hierarchy of version 2; where the machine has version 1 beside it, it is there.
    f"--volume={next(p for p in (CGROUPS / 'unified', CGROUPS) if p.exists())}:{CGROUPS}",
)
CHECKOUT = "/root/flask"
STUDENT = {"nm": "Lovelace", "add": "St James's Square", "city": "London", "pin": "1"}
PATIENCE = 30
"""Seconds for an answer: a busy machine may be loading the application anew."""


def block(file: str, section: str) -> list[str]:
    """Return the lines of the first commands in a section of a page."""
    text = (ROOT / file).read_text(encoding="utf-8").split(f"\n## {section}\n")[1]
    found = re.search(r"^```sh\n(.*?)^```", text, re.M | re.S)
    assert found
    return found[1].splitlines()


def blocks(file: str, section: str) -> list[str]:
    """Return the lines of all commands in a section of a page."""
    text = (ROOT / file).read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    return [line for one in found for line in one.splitlines()]


@cache
def mirror() -> dict[str, str]:
    """Return the mirror of pip's with which this machine builds the images, if it names one."""
    said = subprocess.run(
        ["bash", "-c", ". docker/mirrors.sh && echo ${PIP_INDEX_URL-}"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    return {"PIP_INDEX_URL": said} if said else {}


@dataclass(frozen=True)
class Server:
    """A Debian server: its container, and the ports at which its 80 and 443 are reached from here."""

    container: Container
    profile: Profile
    http: int
    https: int
    authority: Path = ROOT / "certs/ca.pem"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.http}/"

    @property
    def tls_url(self) -> str:
        return f"https://localhost:{self.https}/"

    def run(self, command: str, *, code: int = 0) -> str:
        """Run a command as root in the checkout; return what it says. It ends as expected."""
        found, said = run_inside(
            self.container, ["bash", "-c", command], workdir=CHECKOUT, environment=mirror()
        )
        if found != code:
            journal = run_inside(self.container, ["journalctl", "--lines", "40", "--output", "cat"])[1]
            pytest.fail(f"{command}: {found}\n{said.decode()}\n{journal!r}")
        return said.decode()

    @contextmanager
    def instead(self, program: str, script: str) -> Iterator[str]:
        """Have a script run instead of a program; gives what begins a command that finds it first."""
        self.run(f"install -D /dev/stdin /root/bin/{program} <<'END'\n#!/bin/sh\n{script}\nEND\n")
        try:
            yield "PATH=/root/bin:$PATH"
        finally:
            self.run("rm -r /root/bin")

    def until_started(self) -> None:
        """Wait until systemd has started all that it should."""

        def started() -> bool:
            _, said = run_inside(self.container, ["systemctl", "is-system-running"])
            return said in {b"running\n", b"degraded\n"}

        until(started, "systemd has started all", 60)

    def until_it_answers(self) -> None:
        """Wait until the application is there for visitors."""

        def answers() -> bool:
            try:
                return requests.get(f"{self.base_url}readyz", timeout=5).ok
            except OSError:
                return False

        until(answers, "the site answers", 60)

    @property
    def front(self) -> str:
        """Return the unit of the front end."""
        return UNITS[self.profile.name][0]

    @property
    def app(self) -> str:
        """Return the unit of the application server."""
        return UNITS[self.profile.name][1]

    @property
    def units(self) -> dict[str, None]:
        """Return all of its units, each once."""
        socket = [f"{self.app}.socket"] if self.profile.name in WITH_SOCKET else []
        return dict.fromkeys([*socket, f"{self.app}.service", f"{self.front}.service"])

    def own(self, commands: str) -> str:
        """Return commands written for Gunicorn with this server's units."""
        app = " ".join(unit for unit in self.units if unit.startswith(self.app))
        return commands.replace("gunicorn.socket gunicorn.service", app).replace("gunicorn", self.app)

    def processes(self, more: int = 0) -> set[str]:
        """Return the ids of the processes that have the application, once there is one generation of them.

        `more` than the units say by themselves.
        """
        main, group = self.run(f"systemctl show {self.app} -P MainPID -P ControlGroup").split()
        found: set[str] = set()

        def settled() -> bool:
            nonlocal found
            listed = self.run(f"ps -o pid=,user= -p $(paste -sd , /sys/fs/cgroup{group}/cgroup.procs)")
            owners = dict(line.split() for line in listed.splitlines())
            user = "www-data" if self.app == "lighttpd" else "app"
            found = {process for process, owner in owners.items() if owner == user and process != main}
            return len(found) == GENERATION[self.app] + more

        until(settled, "no process of an older generation is left", 60)
        return found


def checkout(folder: Path) -> Path:
    """Make what an operator has: a checkout, static files, and a certificate."""
    made = copy_of_repository(folder)
    (made / ".venv").unlink()
    subprocess.run(["docker/static.sh"], cwd=made, check=True, capture_output=True)
    for name in ("fullchain.pem", "privkey.pem"):
        (made / name).write_bytes((ROOT / "certs/site" / name).read_bytes())
    return made


@contextmanager
def fresh(profile: Profile, folder: Path, suite: str = NEW, commands: Sequence[str] = ()) -> Iterator[Server]:
    """Start a fresh Debian that has a folder as CHECKOUT.

    Of these commands it has what those that install packages bring, Debian's and Python's: Docker keeps that,
    and it takes little to run them again.
    """
    client = docker.from_env()
    file, name = FRESH.format(suite=suite), suite
    if commands:
        (python,) = [line for line in commands if "/pip install" in line]
        file += INSTALLED.format(debian=commands[0], python=python)
        name = f"{profile.name}-{suite}"
    tag = f"test-debian:{name}"
    built = ["docker", "build", "--quiet", "--tag", tag, "--build-arg", "PIP_INDEX_URL", "--file", "-"]
    subprocess.run(
        [*built, str(next(folder.rglob("requirements")))],
        input=file, env={**os.environ, **mirror()}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    http, https = free_port(), free_port()
    started = subprocess.run(
        ["docker", "run", "--detach", "--name", f"test-debian-{http}", *RIGHTS,
         "--publish", f"127.0.0.1:{http}:80", "--publish", f"127.0.0.1:{https}:443", tag],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    container = client.containers.get(started.stdout.strip())
    try:
        subprocess.run(["docker", "cp", str(folder), f"{container.id}:{CHECKOUT}"], check=True)
        server = Server(container, profile, http, https)
        server.until_started()
        yield server
    finally:
        container.remove(force=True, v=True)


@contextmanager
def as_readme_says(name: str, folder: Path, *, prepared: bool = False) -> Iterator[Server]:
    """Start a fresh server with a checkout, and run the commands of a profile's README.

    One that is prepared has its packages.
    """
    lines = block(f"{PROFILES[name].front}/README.md", "Copy")
    with fresh(PROFILES[name], checkout(folder / "flask"), commands=lines if prepared else ()) as one:
        for line in lines:
            one.run(line)
        one.until_it_answers()
        yield one


HELLO = "app/guide/application.py"
"""Where the application says what `hello` reads."""


def deploy(server: Server, *options: str, code: int = 0) -> str:
    """Put the checkout's code in service by README's command; return what it says."""
    git_pull, deploy = block("systemd/README.md", "Deploy")[0].split(" && ")
    assert git_pull == "git pull"
    command = server.own(deploy.partition("#")[0])
    command = command.replace("deploy.sh", " ".join(["deploy.sh", *options]))
    # The settings that count are the unit's, not root's: the application refuses to start with this one.
    return server.run(f"export APP_NONSENSE=1; {command}", code=code)


def hello(server: Server) -> str:
    """Return what the application's first page says."""
    return requests.get(f"{server.base_url}application/hello", timeout=PATIENCE).text
