"""What a check is, and how all of them are run side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import h11
import httpx

from verify.site import NotCheckedError, Site

GROUPS = {
    "R": "Reach",
    "T": "Truth about the request",
    "S": "Static files and compression",
    "L": "Limits",
    "H": "Headers",
    "F": "Faults",
}
SIDE_BY_SIDE = 8
CLIENT_ERRORS = range(400, 500)

Run = Callable[[Site], Iterator[str]]


@dataclass(frozen=True)
class Check:
    """One behaviour of a row of the contract; `run` yields what was seen instead of it."""

    row: str
    title: str
    run: Run
    slow: bool = False

    @property
    def name(self) -> str:
        """Return the name by which ours.toml has its lines."""
        return self.run.__name__

    @property
    def why(self) -> str:
        """Say why it matters."""
        return " ".join((self.run.__doc__ or "").split())

    @property
    def group(self) -> str:
        """Return the contract's part that it belongs to."""
        return GROUPS[self.row[0]]


@dataclass
class Outcome:
    """How one check went."""

    check: Check
    seen: list[str] = field(default_factory=list)
    reason: str = ""  # why it was not checked
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """Say "fails", "not checked" or "holds"."""
        return "fails" if self.seen else "not checked" if self.reason else "holds"


CHECKS: list[Check] = []


def check(row: str, title: str, *, slow: bool = False) -> Callable[[Run], Run]:
    """Register a check, in the order of the contract; its docstring says why it matters."""

    def register(run: Run) -> Run:
        CHECKS.append(Check(row, title, run, slow))
        return run

    return register


def carry_out(one: Check, site: Site) -> Outcome:
    """Run a check; a site that gives no answer has failed it."""
    outcome, started = Outcome(one), time.monotonic()
    try:
        for seen in one.run(site):
            outcome.seen.append(seen)  # also what was seen before a reason not to go on
    except NotCheckedError as reason:
        outcome.reason = str(reason)
    except TimeoutError:
        outcome.seen.append(f"no answer within {site.figures.patience:g} s")
    except (OSError, h11.ProtocolError, httpx.HTTPError) as error:
        outcome.seen.append(f"no answer: {str(error) or type(error).__name__}")
    outcome.seconds = time.monotonic() - started
    return outcome


def carry_out_all(checks: Iterable[Check], site: Site) -> list[Outcome]:
    """Run checks side by side, the slow ones first; return them in the order of the contract."""
    order = sorted(checks, key=lambda one: not one.slow)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        outcomes = list(pool.map(lambda one: carry_out(one, site), order))
    return sorted(outcomes, key=lambda outcome: CHECKS.index(outcome.check))


# ---- What checks share ----


def answered(answer: httpx.Response | None) -> str:
    """Say what came back."""
    return f"answered {answer.status_code}" if answer is not None else "closed without an answer"


def others_than(wanted: Container[int], answers: Mapping[str, httpx.Response | None]) -> Iterator[str]:
    """Name the answers whose status is none of these."""
    for what, answer in answers.items():
        if answer is None or answer.status_code not in wanted:
            yield f"{what}: {answered(answer)}"
