"""The table of differences: what it takes from the runs, and what it does not let pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import differences
from tests.differences import Difference, Outcome
from tests.profiles import PROFILES, ROOT

ROWS = {"L1": "large bodies", "L2": "long lines"}
PASSED = [Outcome(row, f"test_{row}_x", name, failed=False) for row in ROWS for name in ("nginx", "dev")]
FAILED = [Outcome("L2", "test_L2_y", "nginx", failed=True), Outcome("L2", "test_L2_y", "dev", failed=False)]
KNOWN = Difference("nginx", "L2", "test_L2_y[400]", "It says 400.", "https://example.org")


def problems(known: list[Difference], found: list[Outcome]) -> list[str]:
    return differences.page(ROWS, known, found, ["nginx", "dev"])[1]


def collected() -> list[Outcome]:
    """Return each row's tests in each profile, as if all ended as they are to."""
    command = [sys.executable, "-m", "pytest", "tests", "--collect-only", "-q", "--color=no"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    places = [*PROFILES, *(f"{name}{differences.SERVER}" for name in PROFILES)]
    failing = {(p, d.test.partition("[")[0]) for d in differences.declared() for p in places if d.concerns(p)}
    found = []
    named = "|".join(sorted(PROFILES, key=len, reverse=True))  # nginx-fastcgi is not nginx
    tests = re.findall(r"^(.*)::(test_([A-Z]\d)_\w+)\[(.*)\]$", done.stdout, re.M)
    for file, test, row, parameters in tests:
        where = differences.SERVER if file == "tests/host/test_debian.py" else ""
        for profile in set(re.findall(rf"(?<=-)(?:{named})(?=-)", f"-{parameters}-")):
            found.append(Outcome(row, test, profile + where, (profile + where, test) in failing))
    return found


def test_every_row_of_the_contract_has_a_test_and_every_difference_a_reason() -> None:
    """Known before anything runs; that the tests pass is known after `make test`."""
    assert len(differences.titles()) == 41
    assert (
        differences.page(differences.titles(), differences.declared(), collected(), list(PROFILES))[1] == []
    )
    assert [d for d in differences.declared() if not d.reason or not d.link.startswith("https://")] == []


def test_page_has_a_mark_or_a_reason_for_each_row_and_profile() -> None:
    page, found = differences.page(ROWS, [KNOWN], PASSED + FAILED, ["nginx", "dev"])
    assert found == []
    assert "| L1 | large bodies | ✓ | ✓ |" in page
    assert "| L2 | long lines | [1](#1) | ✓ |" in page
    assert '1. <a id="1"></a>It says 400. [↗](https://example.org)' in page


ON_SERVERS = [
    Outcome("L1", "test_L1_z", "nginx@debian", failed=False),
    Outcome("L1", "test_L1_z", "dev@debian", failed=True),
]
OF_A_SERVER = Difference("dev@debian", "L1", "test_L1_z", "Its server is older.", "https://example.org")


def test_what_differs_on_a_server_stands_below_the_table() -> None:
    page, found = differences.page(ROWS, [KNOWN, OF_A_SERVER], PASSED + FAILED + ON_SERVERS, ["nginx", "dev"])
    assert found == []
    assert "| L1 | large bodies | ✓ | ✓ |" in page
    assert page.endswith("- L1, `dev`: Its server is older. [↗](https://example.org)\n")


@pytest.mark.parametrize(
    ("known", "found", "problem"),
    [
        ([], PASSED[2:], "L1 has no test"),
        ([], PASSED[1:], "L1: nginx did not run test_L1_x"),
        ([], PASSED + FAILED, "L2: test_L2_y failed in nginx"),
        ([KNOWN], PASSED, "nothing like Difference(where='nginx', row='L2'"),
        ([], PASSED + ON_SERVERS, "L1: test_L1_z failed in dev@debian"),
        ([OF_A_SERVER], PASSED + ON_SERVERS[:1], "nothing like Difference(where='dev@debian'"),
        ([Difference("dev", "L1", "", "It need not.", "https://example.org")], PASSED, "nothing like"),
    ],
)
def test_what_is_undeclared_or_stale_is_a_problem(
    known: list[Difference], found: list[Outcome], problem: str
) -> None:
    (said,) = problems(known, found)
    assert problem in said


def test_more_than_five_rows_that_differ_are_a_problem() -> None:
    rows = {f"L{number}": "a row" for number in range(6)}
    found = [Outcome(row, f"test_{row}_x", "nginx", failed=True) for row in rows]
    known = [Difference("nginx", row, f"test_{row}_x", "So.", "https://example.org") for row in rows]
    (said,) = differences.page(rows, known, found, ["nginx"])[1]
    assert "more than 5 rows differ" in said


REPORT = """<testsuites><testsuite>
<testcase name="test_L2_y[nginx-400]@nginx"><properties><property name="profile" value="nginx"/></properties>
<skipped type="pytest.xfail" message="It says 400."/></testcase>
<testcase name="test_L2_y[dev-400]@dev">
<properties><property name="profile" value="dev"/></properties></testcase>
<testcase name="test_of_no_row[dev]">
<properties><property name="profile" value="dev"/></properties></testcase>
</testsuite></testsuites>"""


def test_outcomes_are_read_from_the_reports_of_the_runs(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT, encoding="utf-8")
    assert differences.outcomes([tmp_path / "report.xml"]) == FAILED
