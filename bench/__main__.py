"""The command behind `make bench`: `python -m bench nginx apache`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench import load
from bench.report import html, table
from bench.run import Settings, WrongAnswerError, run, steps
from tests.profiles import PROFILES, ROOT

INTERRUPTED = 130


def bounded(text: str) -> int:
    """Read a whole number from 1 to 60."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 60:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 60")
    return int(text)


def arguments(given: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("bench", description="Measure what profiles cost and give.")
    parser.add_argument("profiles", nargs="+", choices=list(PROFILES), metavar="PROFILE")
    parser.add_argument(
        "--rounds", type=bounded, default=3, help="each profile has its turn in each (default: 3)"
    )
    parser.add_argument("--seconds", type=bounded, default=2, help="of each case in each round (default: 2)")
    parser.add_argument("--results", type=Path, default=ROOT / "results/bench.json", metavar="FILE")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    """Measure and show; return 1 where an answer was wrong or missing, 130 where it was interrupted."""
    options, console = arguments(given), Console(highlight=False)
    options.results.parent.mkdir(exist_ok=True)
    settings = Settings(options.rounds, options.seconds)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=steps(options.profiles, settings))
        told = 0

        def tell(what: str) -> None:
            nonlocal told
            progress.update(task, description=what, completed=told)
            told += 1

        try:
            progress.update(task, description="the load generators' image")
            load.build()
            found = run(options.profiles, settings, options.results, tell)
            progress.update(task, completed=told)
        except KeyboardInterrupt:
            console.print(
                f"[red]Interrupted.[/] What was measured until then is kept, and marked so: {options.results}"
            )
            return INTERRUPTED
        # A stack says by an assertion what its command said.
        except (load.NoFiguresError, WrongAnswerError, AssertionError) as reason:
            console.print(f"[red]error:[/] {escape(str(reason))}. See 'make up PROFILE=…' and 'make logs'.")
            return 1
    console.print(table(found))
    errors = [row for row in found["rows"] if row["errors"]]
    for row in errors:
        console.print(
            f"[red]{row['profile']}, {row['case']} ({row['way']}), round {row['round']}: {row['errors']}[/]"
        )
    page = options.results.with_suffix(".html")
    html(found, page)
    console.print(f"All figures: {options.results}, drawn: {page}", soft_wrap=True)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
