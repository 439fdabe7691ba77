"""What the commands of the benchmarks share: a bar with the time left, and how they end."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench import load
from bench.run import WrongAnswerError

INTERRUPTED = 130
Tell = Callable[[str], None]


def bounded(text: str) -> int:
    """Read a whole number from 1 to 60."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 60:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 60")
    return int(text)


def parser(name: str, description: str, results: Path) -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(name, description=description)
    parser.add_argument("--rounds", type=bounded, default=3, help="how often all is asked (default: 3)")
    parser.add_argument("--seconds", type=bounded, default=2, help="of each case in each round (default: 2)")
    parser.add_argument("--results", type=Path, default=results, metavar="FILE")
    return parser


def followed(
    console: Console, results: Path, steps: int, work: Callable[[Tell], dict[str, Any]]
) -> dict[str, Any] | int:
    """Do the work behind a bar; return what it found, or how to exit where it did not come to its end."""
    results.parent.mkdir(exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell has what it starts with & ignore the first
        signal.signal(number, signal.default_int_handler)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("the load generators' image", total=steps)
        told = 0

        def tell(what: str) -> None:
            nonlocal told
            progress.update(task, description=what, completed=told)
            told += 1

        try:
            load.build()
            found = work(tell)
            progress.update(task, completed=told)
        except KeyboardInterrupt:
            console.print(
                f"[red]Interrupted.[/] What was measured until then is kept, and marked so: {results}"
            )
            return INTERRUPTED
        # A stack says by an assertion what its command said.
        except (load.NoFiguresError, WrongAnswerError, AssertionError) as reason:
            console.print(f"[red]error:[/] {escape(str(reason))}. See 'make up PROFILE=…' and 'make logs'.")
            return 1
    return found


def tell_errors(console: Console, found: dict[str, Any], *names: str) -> int:
    """Show the rows with errors, each by these of its fields; return the exit status."""
    errors = [row for row in found["rows"] if row["errors"]]
    for row in errors:
        console.print(f"[red]{', '.join(str(row[name]) for name in names)}: {row['errors']}[/]")
    return 1 if errors else 0
