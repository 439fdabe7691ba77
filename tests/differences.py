"""What a profile does otherwise than docs/contract.md says: declared, proven by each run, published.

`tests/differences.csv` declares. With a test (its name, or its name with parameters, without the profile):
that test must fail in that profile, so the table cannot go stale. Without one: tests of the row are not for
that profile. ``python -m tests.differences REPORT…`` reads what the runs of all profiles found and writes
docs/differences.md; it fails where a row has no test, an outcome is undeclared, or the page has changed.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.profiles import PRODUCTION, PROFILES, ROOT, sibling

PAGE = ROOT / "docs/differences.md"
MAX_ROWS = 5  # with a difference, in each production profile
TEST = re.compile(r"test_([A-Z]\d)_")
SERVER = "@debian"
"""Behind a profile's name: the profile on a plain Debian server, of which tests/host/ asks."""
HEAD = """# Differences

What `make test` found last, written by it: ✓ where all tests of a row of [the contract](contract.md) pass.
It asks each profile what no other shows; the rest is found in the one of which it is a variant, and by
`make test PROFILE=x` in the profile itself.
A test of a numbered difference fails, as `tests/differences.csv` declares; if it ever passes, the run fails.

"""
ON_A_SERVER = """
## On a plain Debian server

Set up by a README's commands it does what `make verify` asks of the rows, and each chapter, as above
(`tests/host/`). What differs:

"""


@dataclass(frozen=True)
class Difference:
    """A line of differences.csv; `where` is a profile, or the front end or application service of several.

    ``lighttpd*`` is lighttpd with its variants; ``apache@debian`` is Apache on a plain Debian server.
    """

    where: str
    row: str
    test: str
    reason: str
    link: str

    def concerns(self, profile: str) -> bool:
        """Whether it is declared for this profile, or for one on a server."""
        if profile.endswith(SERVER):
            return profile == self.where
        known = PROFILES[profile]
        return any(fnmatch(name, self.where) for name in {known.name, known.front, known.app_service})


def titles(page: Path = ROOT / "docs/contract.md") -> dict[str, str]:
    """Return the contract's rows and what they say."""
    return dict(re.findall(r"^\| ([A-Z]\d) \| ([^|]+) \|$", page.read_text(encoding="utf-8"), re.M))


def declared(file: Path = ROOT / "tests/differences.csv") -> list[Difference]:
    """Return the lines of differences.csv."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [Difference(**line) for line in csv.DictReader(lines)]


def names(item: pytest.Function) -> set[str]:
    """Return the names by which a line of differences.csv may mean a test: without the profile."""
    # A profile's name may have a hyphen, which also stands between the parameters.
    others = f"-{item.callspec.id}-".replace(f"-{asked(item).removesuffix(SERVER)}-", "-", 1)[1:-1]
    return {item.originalname, f"{item.originalname}[{others}]"}


def asked(item: pytest.Function) -> str:
    """Return the profile of which a test asks, or the one on a server; of none it is empty."""
    if "profile" in item.fixturenames:
        return str(item.callspec.params["profile"])
    if "server" in item.fixturenames and TEST.match(item.name):
        return f"{item.callspec.params['server']}{SERVER}"
    return ""


def expect(items: Iterable[pytest.Item]) -> None:
    """Have the declared tests fail; note each test's profile for the report."""
    known = declared()
    for item in items:
        if not isinstance(item, pytest.Function) or not (profile := asked(item)):
            continue
        item.user_properties.append(("profile", profile))
        for difference in known:
            if difference.concerns(profile) and difference.test in names(item):
                item.add_marker(pytest.mark.xfail(strict=True, reason=difference.reason))


@dataclass(frozen=True)
class Outcome:
    """How a test ended in a profile."""

    row: str
    test: str
    profile: str
    failed: bool


def outcomes(reports: Iterable[Path]) -> list[Outcome]:
    """Read the rows' tests from JUnit reports."""
    found = []
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            row = TEST.match(case.attrib["name"])
            profile = case.find("properties/property[@name='profile']")
            if row and profile is not None:
                test = case.attrib["name"].partition("[")[0]
                failed = any(case.find(tag) is not None for tag in ("skipped", "failure", "error"))
                found.append(Outcome(row[1], test, profile.attrib["value"], failed))
    return found


def kin(outcome: Outcome, profile: str) -> bool:
    """Whether a test ran for the same front end, or for one of which it is a variant."""
    return sibling(PROFILES[outcome.profile].front) == sibling(PROFILES[profile].front)


def page(
    rows: dict[str, str], known: list[Difference], found: list[Outcome], profiles: list[str]
) -> tuple[str, list[str]]:
    """Return the page, and a sentence for each thing that is not as it must be."""
    problems: list[str] = []
    notes: list[str] = []
    used: set[Difference] = set()

    def numbered(difference: Difference) -> str:
        """Return a link to the difference's note."""
        note = f"{difference.reason} [↗]({difference.link})"
        if note not in notes:
            notes.append(note)
        return f"[{notes.index(note) + 1}](#{notes.index(note) + 1})"

    on_servers = [outcome for outcome in found if outcome.profile.endswith(SERVER)]
    found = [outcome for outcome in found if outcome not in on_servers]
    table = ["| row | | " + " | ".join(profiles) + " |", "|---|---|" + "---|" * len(profiles)]
    for row, title in rows.items():
        tests = {outcome.test for outcome in found if outcome.row == row}
        if not tests:
            problems.append(f"{row} has no test")
        cells = []
        for profile in profiles:
            here = [outcome for outcome in found if (outcome.row, outcome.profile) == (row, profile)]
            ran = {outcome.test for outcome in here}
            # What is of the front end alone, another profile with the same, or with its sibling, has shown.
            own = {one.test.partition("[")[0] for one in known if one.row == row and one.concerns(profile)}
            here += [
                other
                for other in found
                if other.row == row
                and other.test not in ran
                and kin(other, profile)
                # A difference of another's is none of this one's.
                and not (other.failed and other.test not in own)
            ]
            failed = {outcome.test for outcome in here if outcome.failed}
            absent = tests - {outcome.test for outcome in here}
            mine = [one for one in known if one.row == row and one.concerns(profile)]
            explained = [d for d in mine if (d.test.partition("[")[0] in failed if d.test else absent)]
            used |= set(explained)
            names = {difference.test.partition("[")[0] for difference in explained}
            problems += [f"{row}: {test} failed in {profile}" for test in sorted(failed - names)]
            if absent and "" not in names:
                problems.append(f"{row}: {profile} did not run {', '.join(sorted(absent))}")
            cells.append(" ".join(dict.fromkeys(map(numbered, explained))) or "✓")
        table.append(f"| {row} | {title} | {' | '.join(cells)} |")
    failing = {(one.row, one.test, one.profile) for one in on_servers if one.failed}
    elsewhere = [one for one in known if (one.row, one.test.partition("[")[0], one.where) in failing]
    used.update(elsewhere)
    expected = {(one.row, one.test.partition("[")[0], one.where) for one in elsewhere}
    problems += [f"{row}: {test} failed in {where}" for row, test, where in sorted(failing - expected)]
    problems += [
        f"differences.csv: nothing like {d} was found"
        for d in known
        if d not in used and (d.where.endswith(SERVER) or any(map(d.concerns, profiles)))
    ]
    for profile in sorted(set(profiles) & set(PRODUCTION)):
        differing = {difference.row for difference in used if difference.concerns(profile)}
        if len(differing) > MAX_ROWS:
            problems.append(f"more than {MAX_ROWS} rows differ in {profile}: {', '.join(sorted(differing))}")
    listed = [f'{number}. <a id="{number}"></a>{note}' for number, note in enumerate(notes, 1)]
    text = HEAD + "\n".join([*table, "", *listed]) + "\n"
    if elsewhere:
        text += ON_A_SERVER
    for one in elsewhere:
        text += f"- {one.row}, `{one.where.removesuffix(SERVER)}`: {one.reason} [↗]({one.link})\n"
    return text, problems


def main(reports: list[str]) -> int:
    """Write the page; return 1 where something is not as it must be."""
    written, problems = page(titles(), declared(), outcomes(map(Path, reports)), list(PROFILES))
    if not problems and (not PAGE.exists() or PAGE.read_text(encoding="utf-8") != written):
        PAGE.write_text(written, encoding="utf-8")
        problems.append("docs/differences.md was not what this run found. It is now: commit it")
    for problem in problems:
        print(f"error: {problem}.", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
