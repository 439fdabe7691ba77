"""The command behind `make bench`: `python -m bench nginx apache`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from bench.command import followed, parser, tell_errors
from bench.report import html, table
from bench.run import PLAIN, Settings, run, steps
from tests.profiles import PROFILES, ROOT

EVERY = [*PROFILES, *PLAIN]


def known(name: str) -> str:
    """Return the name of a profile, or of a plain configuration."""
    if name not in EVERY:
        raise argparse.ArgumentTypeError(f"there is no {name!r}; choose from {', '.join(EVERY)}")
    return name


def main(given: Sequence[str] | None = None) -> int:
    """Measure and show; return 1 where an answer was wrong or missing, 130 where it was interrupted."""
    reader = parser("bench", "Measure what profiles cost and give.", ROOT / "results/bench.json")
    reader.add_argument("profiles", nargs="*", type=known, metavar="PROFILE", help="default: all")
    options, console = reader.parse_args(given), Console(highlight=False)
    profiles = options.profiles or EVERY
    settings = Settings(options.rounds, options.seconds)
    found = followed(
        console,
        options.results,
        steps(profiles, settings),
        lambda tell: run(profiles, settings, options.results, tell),
    )
    if isinstance(found, int):
        return found
    console.print(table(found))
    page = options.results.with_suffix(".html")
    html(found, page)
    console.print(f"All figures: {options.results}, drawn: {page}", soft_wrap=True)
    return tell_errors(console, found, "profile", "case", "way", "round")


if __name__ == "__main__":
    sys.exit(main())
