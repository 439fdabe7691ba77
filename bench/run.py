"""The measurement: every profile has a stack, one runs at a time, and in each round all have their turn."""

from __future__ import annotations

import json
import os
import platform
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from bench import figures, load
from bench.cases import CASE, CASES, Case, body, static_files
from tests.profiles import PROFILES, ROOT
from tests.site import Site
from tests.stacks import Stack, until

WARM_SECONDS = 1
COUNT = """
import sqlite3
print(*sqlite3.connect("/var/lib/app/database.db").execute("SELECT count(*) FROM students").fetchone())
"""
WAYS = ("inside", "published", "alone")
HTTP = "HTTP over a Unix socket"
SOCKET = "/run/app/app.sock"  # of every server that speaks it
PLAIN = {f"plain-{file.stem}": file for file in sorted((ROOT / "bench/plain").glob("*.yaml"))}
"""Profiles as the servers' own first pages, or public images, set them up: what is over compose.yaml."""


class WrongAnswerError(RuntimeError):
    """A page is not what it should be: nothing is worth measuring."""


@dataclass(frozen=True)
class Settings:
    """How long is measured: `rounds`, in each of which every case runs for `seconds`."""

    rounds: int
    seconds: int
    cases: tuple[Case, ...] = tuple(CASES)


class BenchStack(Stack):
    """The stack of a profile, or of one of PLAIN, with the static files of the cases."""

    def __init__(self, title: str, files: Path) -> None:
        super().__init__(title.removeprefix("plain-"), mail=False)
        self.title = title
        self.name = f"bench-{uuid.uuid4().hex[:8]}"
        override = files.parent / f"{title}.json"
        override.write_text(json.dumps({"services": self._services(files)}), encoding="utf-8")
        plain = [str(PLAIN[title])] if title in PLAIN else []
        self.compose_files = ["compose.yaml", *plain, str(override)]

    def _services(self, files: Path) -> dict[str, Any]:
        services: dict[str, dict[str, Any]] = {
            self.profile.front: {"volumes": [f"{files}:/srv/static/bench:ro,z"]}
        }
        services.setdefault(self.profile.app_service, {})["environment"] = {"APP_TEST_VIEWS": "true"}
        return services

    @property
    def serving(self) -> list[Container]:
        """Return the containers that serve: the front end's and the application's."""
        names = {self.profile.front, self.profile.app_service}
        return [found for found in self.containers() if found.labels["com.docker.compose.service"] in names]

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let its containers run within the block alone: those of others would take their time, too."""
        for container in self.serving:
            container.start()
        self.until_it_answers()
        self.settle()
        try:
            yield
        finally:
            for container in self.serving:
                container.stop()

    def until_it_answers(self) -> None:
        """Wait until a visitor has a page."""

        def answers() -> bool:
            try:
                return bool(self.site.get("/application/hello", timeout=2).ok)
            except OSError:
                return False

        until(answers, "the site answers")

    def visitor(self, case: Case) -> Site:
        """Return a visitor of a case."""
        return self.tls_site if case.tls else self.site

    def url(self, case: Case, *, published: bool) -> str:
        """Return the address of a case, from within its network or from outside."""
        if published:
            base = self.tls_url if case.tls else self.base_url
        else:
            base = "https://localhost:443/" if case.tls else "http://localhost:80/"
        return base.rstrip("/") + case.path

    def rows(self) -> int:
        """Return how many rows the table has."""
        return int(self.execute(self.app, "python3", "-c", COUNT))

    def empty_uploads(self) -> None:
        """Remove what was uploaded."""
        self.execute(self.app, "sh", "-c", "rm -rf /var/lib/app/uploads/*")


def ways(title: str, case: Case) -> list[str]:
    """Return how a case is asked of a profile: of WAYS. Alone, where its server speaks HTTP."""
    alone = case.name == "page" and title not in PLAIN and PROFILES[title].transport == HTTP
    return [*WAYS[: 1 + case.published], *(["alone"] if alone else [])]


def ask_once(stack: BenchStack, case: Case) -> tuple[Site, str, int]:
    """See that one answer is right; return the visitor, its form's token, and the body's length as sent."""
    visitor, token = stack.visitor(case), ""
    if case.sends:
        token = visitor.token("/sqlite/enternew" if case.name == "insert" else "/uploads/upload")
        data, mime = body(case, token)
        answer = visitor.post(case.path, data=data, headers={"Content-Type": mime})
    else:
        # As wrk asks: without Accept-Encoding, unless the case names one.
        answer = visitor.get(case.path, headers={"Accept-Encoding": "identity", **case.headers}, stream=True)
    content = answer.content if case.sends else answer.raw.read(decode_content=False)
    if answer.status_code != 200 or case.text.encode() not in content:
        raise WrongAnswerError(f"{stack.title}, {case.name}: {answer.status_code} {content[:200]!r}")
    return visitor, token, len(content)


def errors_of(found: load.Load, length: int | None = None, kept: int | None = None) -> dict[str, int]:
    """Return how many answers were wrong, by kind.

    `length` is that of each body, where bodies were not read; `kept` how many rows came, where each answer
    says that one was stored: those under way at the end may be more, never less.
    """
    errors = dict(found.errors)
    if not found.requests:
        errors["unanswered"] = 1
    if length and found.bytes < found.requests * length:
        errors["wrong"] = found.requests - found.bytes // length
    if kept is not None and kept < found.requests:
        errors["lost"] = found.requests - kept
    return errors


def measure(stack: BenchStack, case: Case, seconds: int, files: Path, way: str) -> dict[str, Any]:
    """Run one case against one stack; return a row of the results."""
    visitor, token, length = ask_once(stack, case)
    network = "host" if way == "published" else f"container:{stack.front.id}"
    url = stack.url(case, published=way == "published")
    headers, file = dict(case.headers), None
    if case.sends:
        data, mime = body(case, token)
        file = files.parent / f"{case.name}.body"
        file.write_bytes(data)
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.get_dict().items())
        headers |= {"Content-Type": mime, "Cookie": cookies, "Referer": stack.base_url}
    before = stack.rows() if case.name == "insert" else 0
    calibrated = figures.calibration()
    used, machine = figures.cpu_seconds(stack.serving), figures.machine_cpu_seconds()
    if way == "alone":  # wrk knows no Unix socket
        found = load.h2load(url, f"--h1 --base-uri=unix:{SOCKET}", connections=case.connections,
                            seconds=seconds, length=length, volumes_from=[stack.app.id])  # fmt: skip
    elif case.http_2:
        found = load.h2load(url, "", connections=case.connections, streams=4, seconds=seconds,
                            length=length, network_mode=network)  # fmt: skip
    else:
        found = load.wrk(url, network, connections=case.connections, seconds=seconds, method=case.method,
                         text=case.text, body=file, headers=headers)  # fmt: skip
    used, machine = figures.cpu_seconds(stack.serving) - used, figures.machine_cpu_seconds() - machine
    kept = stack.rows() - before if case.name == "insert" else None
    if case.name == "upload":
        stack.empty_uploads()
    return {
        "profile": stack.title,
        "case": case.name,
        "way": way,
        "calibration": calibrated,
        "requests": found.requests,
        "seconds": found.seconds,
        "bytes": found.bytes,
        "cpu": used,
        "machine_cpu": machine,
        "errors": errors_of(found, None if case.text else length, kept),
        "latency": found.latency,
    }


def at_rest_and_under_load(stack: BenchStack, seconds: int) -> dict[str, Any]:
    """Return memory and processes at rest, and memory in the middle of a load of the page."""
    page, network = CASE["page"], f"container:{stack.front.id}"
    rest = {"pss_idle": figures.pss(stack.serving), "processes": figures.processes(stack.serving)}
    with ThreadPoolExecutor(1) as pool:
        url = stack.url(page, published=False)
        worker = pool.submit(load.wrk, url, network, connections=page.connections, seconds=seconds + 2)
        used = figures.cpu_seconds(stack.serving)
        until(lambda: figures.cpu_seconds(stack.serving) > used + 0.5, "the load has begun")
        under_load = figures.pss(stack.serving)
        worker.result()
    return {**rest, "pss_load": under_load, "image": figures.image_size(stack.serving)}


def starts(stack: BenchStack) -> dict[str, float]:
    """Return the seconds of a start, with the containers there and without, and of a reload."""

    def timed(*steps: Callable[[], object]) -> float:
        begun = time.monotonic()
        for step in steps:
            step()
        return time.monotonic() - begun

    reloads = stack.profile.front_end != "none" and stack.title not in PLAIN
    reload = {"reload": timed(lambda: stack.make("reload"))} if reloads else {}
    for container in stack.serving:
        container.stop()
    names = [container.labels["com.docker.compose.service"] for container in stack.serving]
    warm = timed(lambda: stack.compose("start", *names), stack.until_it_answers)
    stack.make("down")
    return {**reload, "start_warm": warm, "start_cold": timed(stack.up)}


def about() -> dict[str, Any]:
    """Return what a reader must know of the machine and of the run."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": model[1] if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
    }


def keep(found: dict[str, Any], results: Path) -> None:
    """Write what is known until now, so that a reader finds all of it or what was there before."""
    new = results.with_suffix(".new")
    new.write_text(json.dumps(found), encoding="utf-8")
    new.replace(results)


def steps(profiles: Sequence[str], settings: Settings) -> int:
    """Return how many steps `run` tells of."""
    runs = sum(len(ways(name, case)) for name in profiles for case in meant(name, settings.cases))
    return len(profiles) * 2 + runs * settings.rounds


def meant(profile: str, cases: Sequence[Case]) -> list[Case]:
    """Return the cases that a profile has.

    The development server has no TLS, and no static files of ours; a plain configuration has no TLS, nothing
    compressed beforehand, and takes no large upload.
    """
    if profile in PLAIN:
        return [case for case in cases if not (case.tls or case.headers or case.name == "upload")]
    if PROFILES[profile].front_end == "none":
        return [case for case in cases if not (case.tls or case.path.startswith("/static/"))]
    return list(cases)


def run(
    profiles: Sequence[str], settings: Settings, results: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Measure; what is known is in the file `results` after each step, marked until all of it is there.

    `tell` hears of each step before it is taken.
    """
    scratch = ROOT / "results/bench"
    files = scratch / "static"
    static_files(files)
    named = f"PROFILE={profiles[0]} " if len(profiles) == 1 else ""
    found: dict[str, Any] = {
        "complete": False,
        "about": about(),
        "command": f"make bench {named}ROUNDS={settings.rounds} DURATION={settings.seconds}",
        "rounds": settings.rounds,
        "seconds": settings.seconds,
        "versions": {},
        "profiles": {},
        "rows": [],
    }

    keep(found, results)
    with ExitStack() as cleanup:
        stacks = []
        for name in profiles:
            tell(f"{name}: starts and memory")
            stack = BenchStack(name, files)
            cleanup.callback(stack.remove)
            stack.up()
            found["profiles"][name] = starts(stack)
            tell(f"{name}: starts and memory")
            stack.settle()
            found["versions"] |= figures.versions(stack.serving)
            found["profiles"][name] |= at_rest_and_under_load(stack, settings.seconds)
            keep(found, results)
            for _ in range(50):
                ask_once(stack, CASE["insert"])
            for container in stack.serving:
                container.stop()
            stacks.append(stack)
        for number in range(settings.rounds):
            for stack in stacks:
                with stack.awake():
                    load.wrk(
                        stack.url(CASE["page"], published=False),
                        f"container:{stack.front.id}",
                        connections=16,
                        seconds=WARM_SECONDS,
                    )
                    for case in meant(stack.title, settings.cases):
                        for way in ways(stack.title, case):
                            tell(f"round {number + 1}, {stack.title}: {case.title}")
                            row = measure(stack, case, settings.seconds, files, way)
                            found["rows"].append({"round": number + 1, **row})
                            keep(found, results)
    found["complete"] = True
    keep(found, results)
    return found
