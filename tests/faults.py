"""A bounded load on a stack while something fails: who was answered, who was not; the table of it."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree

import pytest

from tests.profiles import PRODUCTION, PROFILES, ROOT, Profile
from tests.wire import MalformedError, Place, request

PAGE = "/templates/"
"""What visitors ask for: an answer that names the process that made it."""
NAMED = re.compile(r"""process(?: <b>|": ?)(\d+)""")


@dataclass(frozen=True)
class Visit:
    """One request: when it began and ended (`time.monotonic`), what went wrong, which process answered."""

    begun: float
    ended: float
    failure: str
    process: int | None


@dataclass
class Load:
    """What came of the visits until now."""

    visits: list[Visit] = field(default_factory=list)

    @property
    def failures(self) -> list[Visit]:
        return [visit for visit in self.visits if visit.failure]

    @property
    def longest_gap(self) -> float:
        """Return for how many seconds, at the longest, nobody got an answer."""
        answered = sorted(visit.ended for visit in self.visits if not visit.failure)
        return max((later - earlier for earlier, later in pairwise(answered)), default=0.0)


class Visited(Protocol):
    """What visitors ask: a stack, or a server of its own (tests/host/test_debian.py)."""

    @property
    def base_url(self) -> str: ...
    @property
    def tls_url(self) -> str: ...
    @property
    def authority(self) -> Path: ...
    @property
    def profile(self) -> Profile: ...


@contextmanager
def visitors(stack: Visited, number: int = 4) -> Iterator[Load]:
    """Have `number` visitors ask for PAGE again and again, every other one by TLS.

    Each request opens a connection: a server may close one that idles at any time (RFC 9112, 9.3), and a
    request that was just sent on it is lost without anybody's fault.
    """
    load = Load()
    stop = threading.Event()

    asked = request(f"GET {PAGE} HTTP/1.1", "Host: localhost", "Connection: close")

    def visit(place: Place) -> None:
        # The pause bounds the load: this machine's cores are the servers', too, and other tests'.
        while not stop.wait(0.1):
            begun = time.monotonic()
            failure, process = "", None
            try:
                answer = place.ask(asked, seconds=90)
                found = NAMED.search(answer.text)
                process = int(found[1]) if found else None
                if answer.status != 200:
                    failure = f"status {answer.status}"
            except (OSError, MalformedError) as error:
                failure = repr(error)
            load.visits.append(Visit(begun, time.monotonic(), failure, process))

    places = [Place(stack.base_url)]
    if stack.profile.name in PRODUCTION:
        places.append(Place(stack.tls_url, stack.authority))
    threads = [threading.Thread(target=visit, args=[places[n % len(places)]]) for n in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(load.visits) > number, "the visitors asked nothing"


def table(notes: Iterable[str]) -> list[str]:
    """Return the lines of a table of what tests noted: ``fault | profile | cell``."""
    cells = {(fault, profile): cell for fault, profile, cell in (note.split(" | ") for note in notes)}
    profiles = [name for name in PROFILES if any(profile == name for _, profile in cells)]
    lines = [f"| failed requests, longest gap | {' | '.join(profiles)} |", "|---|" + "---|" * len(profiles)]
    for fault in sorted({fault for fault, _ in cells}):
        lines.append(f"| {fault} | {' | '.join(cells.get((fault, name), '') for name in profiles)} |")
    return lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of this run."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    properties = [entry for report in reports for entry in getattr(report, "user_properties", [])]
    notes = [note for name, note in properties if name == "fault"]
    if notes:
        terminalreporter.section("faults")
        terminalreporter.write_line("\n".join(table(notes)))


def main(reports: list[str]) -> None:
    """Write results/faults.md from the JUnit reports of several runs."""
    found = [ElementTree.parse(report).iterfind(".//property[@name='fault']") for report in reports]
    lines = table(note.attrib["value"] for notes in found for note in notes)
    (ROOT / "results/faults.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
