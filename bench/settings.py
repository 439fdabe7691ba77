"""What single settings gain: `make bench-settings`, of one profile that settings.csv names, or of all.

A row of it names a case, a file, what stands there (`ours`) and what would otherwise (`other`). Both are
measured one after the other in each round, with the containers started anew; the rest is as it is.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import load
from bench.cases import CASE, static_files
from bench.command import followed, parser, tell_errors
from bench.run import WARM_SECONDS, BenchStack, about, keep, measure
from tests.profiles import ROOT

RESULTS = ROOT / "results/settings.json"
SETTINGS = ROOT / "bench/settings.csv"
WAYS = ("ours", "other")
# Where a container finds the folders of the repository, if not in /srv.
MOUNTED = {"servers": "/srv/app/servers", "app": "/srv/app/app"}


@dataclass(frozen=True)
class Setting:
    """One row of settings.csv: `ours` stands in `file` once; `other` is what may be in its place.

    `verdict` says whether the setting `name` is in `ours` ("stays", and why if not for speed) or in `other`
    ("not taken").
    """

    profile: str
    case: str
    name: str
    file: str
    ours: str
    other: str
    verdict: str

    @property
    def folder(self) -> str:
        """Return the folder of the repository that holds the file."""
        return self.file.partition("/")[0]

    @property
    def with_it(self) -> str:
        """Return which of WAYS has the setting."""
        return "ours" if self.verdict.startswith("stays") else "other"

    def text(self, way: str) -> str:
        """Return what the file says, in one of WAYS."""
        text = (ROOT / self.file).read_text(encoding="utf-8")
        return text if way == "ours" else text.replace(self.ours, self.other)


def settings(profile: str | None = None) -> list[Setting]:
    """Return those of a profile, or all."""
    with SETTINGS.open(encoding="utf-8", newline="") as file:
        rows = [
            Setting(**{name: text.replace("\\n", "\n") for name, text in row.items()})
            for row in csv.DictReader(file)
        ]
    return [row for row in rows if profile in {None, row.profile}]


def with_copies(stack: BenchStack, chosen: Sequence[Setting], copies: Path) -> None:
    """Have the stack use copies of the folders in which something is set."""
    shutil.rmtree(copies, ignore_errors=True)
    services: dict[str, dict[str, list[str]]] = {}
    for folder in {setting.folder for setting in chosen}:
        shutil.copytree(ROOT / folder, copies / folder, ignore=shutil.ignore_patterns("__pycache__"))
        service = stack.profile.app_service if folder in MOUNTED else stack.profile.front
        place = MOUNTED.get(folder, f"/srv/{folder}")
        services.setdefault(service, {"volumes": []})["volumes"].append(f"{copies / folder}:{place}:ro,z")
    override = copies / "compose.json"
    override.write_text(json.dumps({"services": services}), encoding="utf-8")
    stack.compose_files.append(str(override))


def start_anew(stack: BenchStack) -> None:
    """Start the containers with what the files say now, and warm them."""
    for container in stack.serving:
        container.restart()
    stack.until_it_answers()
    stack.settle()
    url, network = stack.url(CASE["page"], published=False), f"container:{stack.front.id}"
    load.wrk(url, network, connections=16, seconds=WARM_SECONDS)


def run(
    chosen: Sequence[Setting], rounds: int, seconds: int, results: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Measure both ways of each setting; what is known is in `results` after each."""
    scratch = ROOT / "results/bench"
    files = scratch / "static"
    static_files(files)
    profiles = list(dict.fromkeys(setting.profile for setting in chosen))
    named = f"PROFILE={profiles[0]} " if len(profiles) == 1 else ""
    found: dict[str, Any] = {
        "complete": False,
        "about": about(),
        "command": f"make bench-settings {named}ROUNDS={rounds} DURATION={seconds}",
        "settings": [asdict(setting) for setting in chosen],
        "rows": [],
    }
    keep(found, results)
    for profile in profiles:
        tell(f"{profile}: start")
        stack, copies = BenchStack(profile, files), scratch / f"settings-{profile}"
        those = [setting for setting in chosen if setting.profile == profile]
        with_copies(stack, those, copies)
        try:
            stack.up()
            for number in range(rounds):
                for setting in those:
                    # Who comes first has no advantage over the rounds.
                    for way in WAYS[:: 1 if number % 2 else -1]:
                        tell(f"round {number + 1}, {profile}: {setting.name}")
                        (copies / setting.file).write_text(setting.text(way), encoding="utf-8")
                        start_anew(stack)
                        row = measure(stack, CASE[setting.case], seconds, files, "inside")
                        found["rows"].append({"round": number + 1, "setting": setting.name, "as": way, **row})
                        keep(found, results)
                    (copies / setting.file).write_text(setting.text("ours"), encoding="utf-8")
        finally:
            stack.remove()
    found["complete"] = True
    keep(found, results)
    return found


def lines(found: dict[str, Any]) -> list[list[str]]:
    """Return a table of the medians, the head first: without each setting, then with it."""
    shown = [["profile", "setting", "case", "processor s per 1,000", "", "requests/s", "99 % within, ms", ""]]
    for setting in (Setting(**one) for one in found["settings"]):
        before, after = (
            [
                row
                for row in found["rows"]
                if (row["profile"], row["case"], row["setting"])
                == (setting.profile, setting.case, setting.name)
                and (row["as"] == setting.with_it) == is_set
                and not row["errors"]
            ]
            for is_set in (False, True)
        )
        if not before or not after:
            continue
        cpu, rate, p99 = (
            [median(map(figure, rows)) for rows in (before, after)] for figure in (cpu_of, rate_of, p99_of)
        )
        figures = (
            f"{cpu[0]:.3f} → {cpu[1]:.3f}",
            f"{cpu[1] / cpu[0] - 1:+.0%}",
            f"{rate[0]:,.0f} → {rate[1]:,.0f}",
            f"{p99[0]:.1f} → {p99[1]:.1f}",
        )
        shown.append(
            [f"`{setting.profile}`", setting.name, CASE[setting.case].title, *figures, setting.verdict]
        )
    return shown


def cpu_of(row: dict[str, Any]) -> float:
    """Return the processor seconds per 1,000 requests."""
    return float(1000 * row["cpu"] / row["requests"])


def rate_of(row: dict[str, Any]) -> float:
    """Return the requests/s."""
    return float(row["requests"] / row["seconds"])


def p99_of(row: dict[str, Any]) -> float:
    """Return within how many ms 99 % are answered."""
    return float(row["latency"]["99"])


def main(given: Sequence[str] | None = None) -> int:
    """Measure and show; return 1 where an answer was wrong or missing, 130 where it was interrupted."""
    known = list(dict.fromkeys(setting.profile for setting in settings()))
    reader = parser("bench.settings", "Measure what single settings gain.", RESULTS)
    reader.add_argument("profile", nargs="?", choices=known, metavar="PROFILE")
    options, console = reader.parse_args(given), Console(highlight=False, soft_wrap=True)
    chosen = settings(options.profile)
    found = followed(
        console,
        options.results,
        len({setting.profile for setting in chosen}) + 2 * options.rounds * len(chosen),
        lambda tell: run(chosen, options.rounds, options.seconds, options.results, tell),
    )
    if isinstance(found, int):
        return found
    head, *rows = lines(found)
    shown = Table(*head)
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
    console.print(f"All figures: {options.results}")
    return tell_errors(console, found, "profile", "setting", "as", "round")


if __name__ == "__main__":
    sys.exit(main())
