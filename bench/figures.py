"""What is measured beside the load generators: processor time, memory, images, starts."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from docker.models.containers import Container

import docker
from bench.load import output
from tests.inside import run_inside

# What Debian and pip have installed, by the names that a reader looks for.
VERSIONS = r"""
dpkg-query -W -f '${Package} ${Version}\n' apache2 lighttpd nginx python3 uwsgi-core 2>/dev/null
for package in /srv/app/venv/lib/python3*/site-packages/*.dist-info; do
    basename $package .dist-info | tr - ' '
done
"""
NAMED = re.compile(
    r"^(apache2|flask|flup|gevent|granian|gunicorn|lighttpd|mod_wsgi|nginx|python3|tornado|twisted|uvicorn"
    r"|uwsgi-core|waitress|werkzeug) (\S+)$",
    re.MULTILINE,
)
# The processes of a container; not this shell, and not what Docker runs there beside it: a health check.
PROCESSES = """
processes() {
    for process in /proc/[0-9]*; do
        cmp -s /proc/self/cgroup $process/cgroup && continue
        [ $process != /proc/1 ] && grep -qs '^PPid:[[:space:]]*0$' $process/status && continue
        echo $process
    done
}
"""
COUNT = f"{PROCESSES} processes | wc -l"
# What a process has of memory for itself, and its share of what several have.
PSS = f"""{PROCESSES}
for process in $(processes); do cat $process/smaps_rollup 2>/dev/null; done |
    awk '/^Pss:/ {{ sum += $2 }} END {{ print sum + 0 }}'
"""


def calibration() -> float:
    """Return the processor seconds that a fixed piece of work takes this machine now."""
    begun = time.process_time()
    value = b"0"
    for number in range(60_000):
        value = hashlib.sha256(value + str(number).encode()).digest()
    return time.process_time() - begun


def cpu_seconds(containers: Iterable[Container]) -> float:
    """Return the processor seconds that containers have used since they were started."""
    api, nanoseconds = docker.from_env().api, 0
    for container in containers:
        stats = api.stats(str(container.id), stream=False, one_shot=True)
        nanoseconds += stats["cpu_stats"]["cpu_usage"]["total_usage"]
    return nanoseconds / 1e9


def machine_cpu_seconds() -> float:
    """Return the processor seconds that the machine has used since its start; 0.0 where that is not told."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, interrupt, soft = map(int, fields[:7])
    return (user + nice + system + interrupt + soft) / os.sysconf("SC_CLK_TCK")


def _within(containers: Iterable[Container], script: str) -> int:
    """Run a script among the processes of each container; return the sum of what it says."""
    return sum(
        int(output(["sh", "-c", script], pid_mode=f"container:{container.id}", cap_add=["SYS_PTRACE"]))
        for container in containers
    )


def pss(containers: Iterable[Container]) -> float:
    """Return the memory of all processes in containers, in MB: proportional set sizes."""
    return _within(containers, PSS) / 1000


def processes(containers: Iterable[Container]) -> int:
    """Return how many processes there are in containers, the container's own init among them."""
    return _within(containers, COUNT)


def image_size(containers: Iterable[Container]) -> float:
    """Return the size of the containers' images, in MB; a layer that several have counts once."""
    layers: dict[tuple[int, str], int] = {}
    for container in containers:
        assert container.image is not None  # noqa: S101  a container that runs has one
        # What was built once is a step of both histories, with the same time.
        layers |= {(step["Created"], step["CreatedBy"]): step["Size"] for step in container.image.history()}
    return sum(layers.values()) / 1e6


def versions(containers: Iterable[Container]) -> dict[str, str]:
    """Return the versions of the servers and of what they run, by name."""
    found: dict[str, str] = {}
    for container in containers:
        said = run_inside(container, ["sh", "-c", VERSIONS], stderr=False)[1]
        found |= dict(NAMED.findall(said.decode()))
    return found
