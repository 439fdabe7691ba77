"""The command as people run it, and what its JUnit says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from junitparser import Failure, JUnitXml, Skipped

from tests.profiles import ROOT
from verify import checks as _checks  # noqa: F401  registers them
from verify.check import CHECKS


def run(url: str, results: Path, *options: str) -> tuple[int, dict[str, list[str]]]:
    """Run the command; return its exit code, and for each state the names of the checks in it."""
    command = [sys.executable, "-m", "verify", url, "--results", str(results), *options]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    names = {f"{check.row} {check.title}": check.name for check in CHECKS}
    states: dict[str, list[str]] = {"holds": [], "fails": [], "not checked": []}
    for suite in JUnitXml.fromfile(str(results / "verify.xml")):
        for case in suite:
            kinds = {type(result) for result in case.result}
            state = "fails" if Failure in kinds else "not checked" if Skipped in kinds else "holds"
            states[state].append(names[case.name])
    return done.returncode, states
