"""Load by Debian's wrk and h2load, each run in a container of its own beside the stack.

``inside`` shares the network of the front end's container; ``published`` has the host's, and goes through
the published port as a visitor does; ``alone`` has the Unix socket of the application server.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from docker.models.containers import Container

import docker

IMAGE = "flask-reference/load:latest"
HERE = Path(__file__).parent
ROOT = HERE.parent
PERCENTILES = ("1", "5", "10", "25", "50", "75", "90", "95", "99", "99.9", "100")


@dataclass(frozen=True)
class Load:
    """What one run found; `errors` by kind, those of no number left out; `latency` in ms by percentile."""

    requests: int
    seconds: float
    bytes: int
    errors: dict[str, int]
    latency: dict[str, float]


class NoFiguresError(RuntimeError):
    """The load generator ended without figures."""


def build() -> None:
    """Build the image of the load generators."""
    command = f"docker build --quiet --file docker/Dockerfile --target load --tag {IMAGE} ."
    done = subprocess.run(command.split(), cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise NoFiguresError(f"the load generators' image could not be built: {done.stderr.strip()[-500:]}")


@contextmanager
def started(command: Sequence[str], files: Path | None = None, **options: Any) -> Iterator[Container]:
    """Run a command in a container of the image, with the folder `files` at /load; remove it at the end."""
    volumes = {str(files): {"bind": "/load", "mode": "ro"}} if files else {}
    container = docker.from_env().containers.create(
        IMAGE, list(command), volumes=volumes, labels=["bench"], security_opt=["label=disable"], **options
    )
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True)


def output(command: Sequence[str], files: Path | None = None, **options: Any) -> str:
    """Return what a command in a container of its own writes to standard output."""
    with started(command, files, **options) as container:
        code = container.wait(timeout=120)["StatusCode"]
        if code:
            raise NoFiguresError(f"{' '.join(command)}: {container.logs().decode(errors='replace').strip()}")
        return container.logs(stderr=False).decode()


def wrk(
    url: str,
    network: str,
    *,
    connections: int,
    seconds: int,
    method: str = "GET",
    text: str = "",
    body: Path | None = None,
    headers: dict[str, str] | None = None,
) -> Load:
    """Ask `url` for `seconds` by HTTP/1.1; `text` must be in each answer's body ("": they are not read)."""
    command = ["wrk", f"-t{min(connections, 2)}", f"-c{connections}", f"-d{seconds}s", "--timeout=20s"]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    command += ["-s", "/wrk.lua", url, "--", method, text]
    if body:
        command.append(f"/load/{body.name}")
    said = output(command, body.parent if body else None, network_mode=network)
    found = json.loads(said.splitlines()[-1])
    errors = {kind: found[kind] for kind in ("wrong", "status", "connect", "read", "write", "timeout")}
    return Load(
        requests=found["requests"],
        seconds=found["microseconds"] / 1e6,
        bytes=found["bytes"],
        errors={kind: number for kind, number in errors.items() if number},
        latency={p: value / 1000 for p, value in found["latency"].items()} if found["requests"] else {},
    )


TOTALS = re.compile(
    r"requests: \d+ total, \d+ started, (?P<done>\d+) done, \d+ succeeded, "
    r"(?P<failed>\d+) failed, (?P<errored>\d+) errored, (?P<timeout>\d+) timeout\n"
    r"status codes: (?P<ok>\d+) 2xx.*\n"
    r"traffic: .*\((?P<bytes>\d+)\) total, .*\((?P<data>\d+)\) data"
)


def h2load(
    url: str, by: str, *, connections: int, streams: int = 1, seconds: int, length: int, **options: Any
) -> Load:
    """Ask `url` for `seconds`; each body has `length` bytes.

    `by` are h2load's arguments that say how ("": HTTP/2), `options` docker's, that say from where.
    """
    command = f"h2load {by} -t2 -c{connections} -m{streams} -D{seconds} --log-file=/tmp/log {url}"
    script = f"{command} && echo log && cut -f2,3 /tmp/log"
    said, _, log = output(["sh", "-c", script], **options).partition("\nlog\n")
    return of_h2load(said, log, seconds, length)


def of_h2load(said: str, log: str, seconds: float, length: int) -> Load:
    """Read what h2load says, and its log: a line a request, its status and microseconds."""
    totals = TOTALS.search(said)
    if not totals:
        raise NoFiguresError(f"h2load: {said[-500:]}")
    done = int(totals["done"])
    times = [int(line.split("\t")[1]) / 1000 for line in log.splitlines()]
    cuts = [*quantiles(times, n=1000, method="inclusive"), max(times)] if len(times) > 1 else []
    errors = {
        # Of what is under way at the end, status and body may have come, and count for nothing.
        "wrong": max(done - int(totals["data"]) // length, 0),
        "status": max(done - int(totals["ok"]), 0),
        "failed": int(totals["failed"]) + int(totals["errored"]),
        "timeout": int(totals["timeout"]),
    }
    return Load(
        requests=done,
        seconds=seconds,
        bytes=int(totals["bytes"]),
        errors={kind: number for kind, number in errors.items() if number},
        latency={percent: cuts[round(float(percent) * 10) - 1] for percent in PERCENTILES} if cuts else {},
    )
