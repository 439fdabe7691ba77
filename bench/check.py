"""Whether a run costs more than the one that is kept: `python -m bench.check`, behind `make bench-check`.

Compared are processor seconds per request, in units of the calibration beside it: another machine, or a
busy one, moves both.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.cases import CASES
from bench.report import RESULTS
from bench.summary import summary
from tests.profiles import ROOT

ALLOWED = 0.15
KEEP = "cp results/bench.json bench/results.json"


def ratios(found: dict[str, Any], baseline: dict[str, Any]) -> dict[tuple[str, str], float]:
    """Return by profile and case how many times the baseline's cost the run's is, where both have it."""
    shares = {}
    for profile in found["profiles"]:
        for case in CASES:
            now, then = (summary(run, profile, case.name) for run in (found, baseline))
            if now and then:
                cost, before = (row["cpu"] / row["calibration"] for row in (now, then))
                shares[profile, case.name] = cost / before
    return shares


def main(given: list[str] | None = None) -> int:
    """Tell what became dearer by more than `ALLOWED`, and what cheaper; return 1 for the former."""
    parser = argparse.ArgumentParser("bench.check", description="Compare a run with the one that is kept.")
    parser.add_argument("run", nargs="?", type=Path, default=ROOT / "results/bench.json")
    parser.add_argument("--baseline", type=Path, default=RESULTS)
    options, console = parser.parse_args(given), Console(highlight=False, soft_wrap=True)
    try:
        found, baseline = (json.loads(file.read_text("utf-8")) for file in (options.run, options.baseline))
    except OSError as error:
        console.print(
            f"[red]error:[/] {error.filename} is not there: 'make bench' makes a run, '{KEEP}' a baseline."
        )
        return 1
    shares = ratios(found, baseline)
    if not shares:
        console.print("[red]error:[/] the two runs have nothing in common.")
        return 1
    dearer = {key: share for key, share in shares.items() if share > 1 + ALLOWED}
    for (profile, case), share in shares.items():
        if abs(share - 1) > ALLOWED:
            console.print(f"{profile}, {case}: {share - 1:+.0%} processor time per request")
    told = f"{len(dearer)} of {len(shares)} figures cost over {ALLOWED:.0%} more"
    console.print(f"{told} processor time than {options.baseline.name} says.")
    return 1 if dearer else 0


if __name__ == "__main__":
    sys.exit(main())
