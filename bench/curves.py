"""What a request costs as there is more of something: `make bench-curves`, with one profile.

Each curve asks one case at several points: connections at once, processes of the application server, rows in
the table, uploads at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import charts
from bench.cases import CASE, static_files
from bench.command import followed, parser, tell_errors
from bench.run import BenchStack, about, keep, measure
from tests.profiles import PROFILES, ROOT

RESULTS = ROOT / "results/curves.json"
# Puts as many rows into the table as its argument says.
FILL = """
import sqlite3, sys
with sqlite3.connect("/var/lib/app/database.db") as connection:
    connection.execute("DELETE FROM students")
    connection.execute(
        "WITH RECURSIVE counted (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM counted WHERE x < ?)"
        " INSERT INTO students (name, addr, city, pin) SELECT 'Lovelace', 'a', 'b', '1' FROM counted",
        (int(sys.argv[1]),),
    )
"""


@dataclass(frozen=True)
class Curve:
    """What there is more of, the case that is asked, and the points."""

    title: str
    case: str
    points: tuple[int, ...]


CURVES = {
    "connections": Curve("connections at once", "page", (1, 4, 16, 64, 256, 1024)),
    "workers": Curve("processes of Gunicorn", "page", (1, 2, 3, 4)),
    "rows": Curve("rows in the table", "list", (10, 100, 1_000, 10_000, 100_000)),
    "uploads": Curve("uploads of 5 MB at once", "upload", (1, 2, 4, 8, 16)),
}


def meant(profile: str, curves: Mapping[str, Curve] = CURVES) -> dict[str, Curve]:
    """Return the curves that a profile has: only of Gunicorn's processes is their number an option."""
    others = PROFILES[profile].app_service != "gunicorn"
    return {name: curve for name, curve in curves.items() if not (others and name == "workers")}


def with_workers(stack: BenchStack, number: int, scratch: Path) -> None:
    """Start Gunicorn anew with so many processes."""
    command = ["gunicorn", "--config", "servers/gunicorn.conf.py", "--workers", str(number), "app.wsgi"]
    override = scratch / "workers.json"
    override.write_text(json.dumps({"services": {"gunicorn": {"command": command}}}), encoding="utf-8")
    stack.compose_files = [*stack.compose_files[:2], str(override)]
    stack.compose("up", "--detach", "--no-deps", "gunicorn")
    stack.until_it_answers()
    stack.settle()


def run(
    profile: str,
    curves: Mapping[str, Curve],
    settings: tuple[int, int],
    results: Path,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Measure in `settings`, rounds and seconds of each; what is known is in `results` after each point."""
    rounds, seconds = settings
    scratch = ROOT / "results/bench"
    files = scratch / "static"
    static_files(files)
    found: dict[str, Any] = {
        "complete": False,
        "about": about(),
        "command": f"make bench-curves PROFILE={profile} ROUNDS={rounds} DURATION={seconds}",
        "profile": profile,
        "rounds": rounds,
        "seconds": seconds,
        "rows": [],
    }

    keep(found, results)
    stack = BenchStack(profile, files)
    try:
        tell("start")
        stack.up()
        for number in range(rounds):
            for name, curve in curves.items():
                for point in curve.points:
                    tell(f"round {number + 1}: {point:,} {curve.title}")
                    case = CASE[curve.case]
                    if name == "workers":
                        with_workers(stack, point, scratch)
                    elif name == "rows":
                        stack.execute(stack.app, "python3", "-c", FILL, str(point))
                    else:
                        case = replace(case, connections=point)
                    row = measure(stack, case, seconds, files, "inside")
                    found["rows"].append({"round": number + 1, "curve": name, "point": point, **row})
                    keep(found, results)
                if name == "workers":
                    with_workers(stack, 2, scratch)
    finally:
        stack.remove()
    found["complete"] = True
    keep(found, results)
    return found


def points(found: dict[str, Any], curve: str) -> dict[int, dict[str, float]]:
    """Return by point the medians over all rounds.

    `rate` in requests/s, `cpu` in processor seconds per 1,000 requests, `p50` and `p99` in ms. Where an
    answer was wrong or missing there is no point: what is quickly refused would count as quickly served.
    """
    rows = [row for row in found["rows"] if row["curve"] == curve and row["latency"] and not row["errors"]]
    return {
        point: {
            "rate": median(row["requests"] / row["seconds"] for row in at),
            "cpu": median(1000 * row["cpu"] / row["requests"] for row in at),
            "p50": median(row["latency"]["50"] for row in at),
            "p99": median(row["latency"]["99"] for row in at),
        }
        for point in sorted({row["point"] for row in rows})
        if (at := [row for row in rows if row["point"] == point])
    }


def drawn(found: dict[str, Any]) -> dict[str, str]:
    """Return the charts by the name of their file."""
    names = dict.fromkeys(row["curve"] for row in found["rows"])
    return {name: charts.curve(points(found, name), CURVES[name].title) for name in names}


def lines(found: dict[str, Any], curve: str) -> list[list[str]]:
    """Return a table of one curve, the head first."""
    head = [CURVES[curve].title, "requests/s", "processor s per 1,000", "50 % within, ms", "99 % within, ms"]
    return [
        head,
        *(
            [f"{x:,}", f"{at['rate']:,.0f}", f"{at['cpu']:.2f}", f"{at['p50']:.1f}", f"{at['p99']:.1f}"]
            for x, at in points(found, curve).items()
        ),
    ]


def main(given: Sequence[str] | None = None) -> int:
    """Measure and show; return 1 where an answer was wrong or missing, 130 where it was interrupted."""
    reader = parser("bench.curves", "Measure one profile at many points.", RESULTS)
    reader.add_argument("profile", choices=list(PROFILES), metavar="PROFILE")
    options, console = reader.parse_args(given), Console(highlight=False, soft_wrap=True)
    curves, settings = meant(options.profile), (options.rounds, options.seconds)
    found = followed(
        console,
        options.results,
        1 + options.rounds * sum(len(curve.points) for curve in curves.values()),
        lambda tell: run(options.profile, curves, settings, options.results, tell),
    )
    if isinstance(found, int):
        return found
    for name in curves:
        head, *rows = lines(found, name)
        shown = Table(*head)
        for row in rows:
            shown.add_row(*row)
        console.print(shown)
    console.print(f"All figures: {options.results}")
    return tell_errors(console, found, "curve", "point", "round")


if __name__ == "__main__":
    sys.exit(main())
