"""Stacks of real containers, started as a person would: by `make up`, with a name and ports of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import requests
from docker.models.containers import Container
from docker.models.images import Image

import docker
from tests.inside import run_inside
from tests.profiles import PROFILES, ROOT, Profile
from tests.site import Site

DEADLINE = 30.0  # seconds: how long a test waits for something that must come


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE) -> None:
    """Ask `condition` again and again until it holds; fail with `what` after `seconds`."""
    end, asked = time.monotonic() + seconds, time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now < end, f"not within {seconds} s: {what}"
        took = now - asked
        time.sleep(max(0.05, took, min(0.5, 4 * took)))  # what costs is asked less often
        asked = time.monotonic()


def begun(container: Container) -> float:
    """Return when a container was started last; a time of `time.time`."""
    container.reload()
    return datetime.fromisoformat(container.attrs["State"]["StartedAt"]).timestamp()


@cache
def compose_file() -> Path:
    """Write what only the tests' own stacks have, for every service of the profiles; return the file.

    Views that show what arrived, files that must not be served, a time zone that is not UTC, and IPv6 (with
    an address but ::1: httpd's Listen asks for that).
    """
    services: dict[str, dict[str, Any]] = {"migrate": {}}
    for profile in PROFILES.values():
        services[profile.front] = {
            "volumes": ["./tests/static-traps:/srv/static/traps:ro,z"],
            "sysctls": dict.fromkeys(
                ("net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6"), 0
            ),
        }
    for profile in PROFILES.values():
        services.setdefault(profile.app_service, {})["environment"] = {"APP_TEST_VIEWS": "true"}
    for service in services.values():
        service.setdefault("environment", {})["TZ"] = "TEST-5:30"
    file = ROOT / "results/compose.json"
    file.parent.mkdir(exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps({"services": services}), encoding="utf-8")
    new.replace(file)
    return file


def copy_of_repository(to: Path) -> Path:
    """Copy what git knows, and what it would, to a folder that a test may break."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    (to / ".venv").symlink_to(ROOT / ".venv")
    return to


class Http2First(ssl.SSLContext):
    """Offers HTTP/2 first, as browsers do; httpx offers HTTP/1.1 first, even where that is switched off."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        super().set_alpn_protocols(sorted(alpn_protocols))  # "h2" before "http/1.1"


class Stack:
    """One stack: `folder` is the checkout it is started from, `profile` what runs in it now.

    Without `mail` it has no mail catcher, which takes its seconds to start.
    """

    def __init__(self, profile: str, folder: Path = ROOT, *, mail: bool = True) -> None:
        self.profile: Profile = PROFILES[profile]
        self.folder = folder
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        self.port, self.tls_port, self.mail_port = free_port(), free_port(), free_port()
        self.mail_server = "mail" if mail else "mail.invalid"
        self.compose_files = ["compose.yaml", str(compose_file())]
        self.docker = docker.from_env()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def tls_url(self) -> str:
        return f"https://localhost:{self.tls_port}/"

    @property
    def authority(self) -> Path:
        """Return the certificate of the authority that vouches for `tls_url`."""
        return self.folder / "certs/ca.pem"

    @property
    def mail_url(self) -> str:
        return f"http://127.0.0.1:{self.mail_port}/"

    @property
    def site(self) -> Site:
        return Site(self.base_url)

    @property
    def tls_site(self) -> Site:
        """Return a visitor by TLS."""
        site = Site(self.tls_url)
        site.trust_env = False  # an environment's REQUESTS_CA_BUNDLE would go before it
        site.verify = str(self.authority)
        return site

    def http_2_context(self) -> ssl.SSLContext:
        context = Http2First(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority)
        return context

    def http_2(self) -> httpx.Client:
        """Return a visitor by HTTP/2."""
        return httpx.Client(
            http1=False, http2=True, verify=self.http_2_context(), base_url=self.tls_url, timeout=20
        )

    @staticmethod
    def image_name(target: str) -> str:
        """Return the name of the image of a Dockerfile target; make passes on an empty TAG."""
        return f"flask-reference/{target}:{os.environ.get('TAG') or 'latest'}"

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command for this stack, in its folder; its output is kept, and shown where it fails."""
        done = subprocess.run(
            command,
            cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, timeout=600, check=False,
            env={**os.environ, "PROFILE": self.profile.name, "STACK": self.name, "PORT": str(self.port),
                 "FRONT_END": self.profile.front_end, "APP": "",
                 "TLS_PORT": str(self.tls_port), "MAIL_PORT": str(self.mail_port), "BIND": "127.0.0.1",
                 "MAIL_SERVER": self.mail_server,
                 "COMPOSE_FILE": ":".join(self.compose_files), **environment},
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{' '.join(command)}:\n{done.stdout}"
        return done

    def make(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `make` for this stack."""
        return self.run("make", *arguments, check=check, **environment)

    def compose(self, *arguments: str) -> None:
        """Run `docker compose` for this stack, past `make`."""
        self.run("docker", "compose", "--profile", self.profile.name, *arguments)

    def up(self, profile: str | None = None) -> str:
        """Bring the profile up, in place of what runs; returns what `make up` said."""
        self.profile = PROFILES[profile or self.profile.name]
        return self.make("up").stdout

    def address(self) -> dict[str, Any]:
        """Return what `attached` needs to find this stack."""
        ports = {"port": self.port, "tls_port": self.tls_port, "mail_port": self.mail_port}
        return {"profile": self.profile.name, "folder": str(self.folder), "name": self.name, **ports}

    @classmethod
    def attached(cls, address: dict[str, Any]) -> Stack:
        """Return the stack that runs already at this address."""
        stack = cls(address["profile"], Path(address["folder"]))
        stack.name = address["name"]
        stack.port, stack.tls_port, stack.mail_port = (
            address[port] for port in ("port", "tls_port", "mail_port")
        )
        return stack

    def remove(self) -> None:
        """Remove the stack and its data."""
        self.make("clean", CONFIRM="yes")

    def remove_images(self, tag: str) -> None:
        """Take a tag away from the images; other tags of the same image stay, and what runs goes on."""
        for image in self.docker.images.list(filters={"reference": f"flask-reference/*:{tag}"}):
            for name in image.tags:
                if name.endswith(f":{tag}"):
                    self.docker.images.remove(name, force=True)

    def containers(self) -> list[Container]:
        """Return the containers of this stack, running or not."""
        return self.docker.containers.list(
            # An image built for a stack bears its labels, and so does what is run from it by hand: no number.
            all=True,
            filters={
                "label": [f"com.docker.compose.project={self.name}", "com.docker.compose.container-number"]
            },
        )

    def container(self, service: str) -> Container:
        """Return the container of a service."""
        (found,) = [c for c in self.containers() if c.labels["com.docker.compose.service"] == service]
        return found

    @property
    def front(self) -> Container:
        return self.container(self.profile.front)

    @property
    def front_address(self) -> str:
        """Return the IP address of the front end's container: there nothing of Docker's stands between."""
        (network,) = self.front.attrs["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    @property
    def app(self) -> Container:
        return self.container(self.profile.app_service)

    def attempt(self, container: Container, *command: str) -> tuple[int, str]:
        """Run a command in a container; returns its exit code and output."""
        code, output = run_inside(container, command)
        return code, output.decode(errors="replace")

    def execute(self, container: Container, *command: str) -> str:
        """Run a command that must succeed in a container; returns its output."""
        code, output = self.attempt(container, *command)
        assert code == 0, output
        return output

    @staticmethod
    def image(container: Container) -> Image:
        """Return what the container was made from."""
        assert container.image is not None
        return container.image

    def workers(self) -> dict[int, int]:
        """Return processes that answer pages: process id in the app's container → when it began.

        The time is that of `clock`. Which process takes a request is chance: some may be missing.
        """
        pages = [self.site.get("/") for _ in range(40)]
        assert {page.status_code for page in pages} == {200}
        pids = {int(pid) for page in pages for pid in re.findall(r"process <b>(\d+)</b>", page.text)}
        began = {pid: self.attempt(self.app, "cut", "-d ", "-f22", f"/proc/{pid}/stat") for pid in pids}
        # One that answered and is gone was on its way out: a reload lets the old ones finish.
        return {pid: int(output) for pid, (code, output) in began.items() if code == 0}

    def clock(self) -> int:
        """Return the time since the machine's start, in hundredths of a second, as /proc gives it."""
        return int(self.execute(self.app, "cut", "-d ", "-f1", "/proc/uptime").replace(".", ""))

    def settle(self) -> None:
        """Wait until the app's container has nothing to do: all its processes have loaded the application."""

        def work() -> int:
            """Return the processor time that its processes have used, in hundredths of a second."""
            stats = self.attempt(self.app, "sh", "-c", "cat /proc/[0-9]*/stat")[1]
            return sum(
                sum(map(int, line.split(")")[1].split()[11:13])) for line in stats.splitlines() if ")" in line
            )

        def idle() -> bool:
            before = work()
            time.sleep(1)
            return abs(work() - before) <= 10  # less: one has ended, and another begins in its place

        until(idle, "the application's processes have started")

    def signal(self, name: str, pids: list[int]) -> None:
        """Send a signal to processes of the app's container."""
        self.execute(self.app, "sh", "-c", f"kill -{name} {' '.join(map(str, pids))}")

    def hold(self, pids: list[int]) -> None:
        """Stop processes of the app's container, until SIGCONT: a thread may go on for a moment."""
        self.signal("STOP", pids)
        states = f"cat {' '.join(f'/proc/{pid}/task/*/status' for pid in pids)}"

        def stand() -> bool:
            return not re.search(r"^State:\s+[RSD]", self.attempt(self.app, "sh", "-c", states)[1], re.M)

        until(stand, "the processes stand still")

    @contextmanager
    def app_stopped(self) -> Iterator[None]:
        """Hold every process that answers pages: each page names one, until no page comes.

        Those that are known first: the kernel may wake one that is held for the next request, and no other.
        """
        held = [*self.workers()]
        try:
            self.hold(held)
            with suppress(requests.Timeout):
                while len(held) < 50:
                    page = self.site.get("/", timeout=5).text
                    held += map(int, re.findall(r"process <b>(\d+)</b>", page))
                    self.hold(held)
            yield
        finally:
            self.signal("CONT", held)

    def report(self) -> list[tuple[str, str]]:
        """Return what a failed test wants to see: logs, and the configuration as the server reads it."""
        sections = []
        for container in self.containers():
            service = container.labels["com.docker.compose.service"]
            sections.append((f"log of {service}", container.logs(tail=60).decode(errors="replace")))
            show = container.labels.get("config.show")
            if show and container.status == "running":
                _, output = self.attempt(container, "sh", "-c", show)
                sections.append((f"effective configuration of {service}", output))
        return sections
