"""The report, three times: on the terminal, as JUnit, and as one HTML page that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite
from rich.console import Console
from rich.table import Table
from rich.text import Text

from verify import ours
from verify.check import Outcome

SIGNS = {"holds": ("✓", "green"), "fails": ("✗", "bold red"), "not checked": ("-", "yellow")}


def printable(text: str) -> str:
    """Return text without what would steer a terminal, or is no XML."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


@dataclass
class Report:
    """What a run found out about the site at `url`."""

    url: str
    server: str  # as it calls itself
    notes: list[str]
    outcomes: list[Outcome]
    requests: int
    seconds: float

    def __post_init__(self) -> None:
        self.server = printable(self.server)
        for outcome in self.outcomes:
            outcome.seen = [printable(seen) for seen in outcome.seen]
        self.time = datetime.now(UTC).astimezone().isoformat(" ", "seconds")

    @property
    def groups(self) -> list[tuple[str, list[Outcome]]]:
        """Return the outcomes by the contract's parts."""
        return [(name, list(group)) for name, group in groupby(self.outcomes, lambda one: one.check.group)]

    def count(self, state: str) -> int:
        """Say how many checks are in this state."""
        return sum(outcome.state == state for outcome in self.outcomes)

    def ours(self, outcome: Outcome) -> list[str]:
        """Return the lines of our configuration that make the check hold."""
        return ours.lines(outcome.check, ours.server_of(self.server))

    @property
    def summary(self) -> str:
        """Say in one line how it went."""
        return (
            f"{len(self.outcomes)} checks: {self.count('holds')} hold, {self.count('fails')} fail,"
            f" {self.count('not checked')} not checked · {self.requests} requests in {self.seconds:.0f} s"
        )

    def show(self, console: Console) -> None:
        """Print for a person at a terminal."""
        console.print(Text(f"{self.url}  {self.server}", style="bold"))
        for note in self.notes:
            console.print(Text(note))
        for name, outcomes in self.groups:
            table = Table.grid(padding=(0, 1))
            for outcome in outcomes:
                sign, style = SIGNS[outcome.state]
                details = Table.grid(padding=(0, 1))
                for label, text in self._details(outcome):
                    details.add_row(Text(label, "dim"), Text(text))
                table.add_row(Text(sign, style), Text(outcome.check.row, style), outcome.check.title)
                if details.rows:
                    table.add_row("", "", details)
            console.print(Text(f"\n{name}", "bold underline"), table)
        console.print(Text(f"\n{self.summary}", style="bold"))

    def _details(self, outcome: Outcome) -> list[tuple[str, str]]:
        if outcome.state == "not checked":
            return [("not checked", outcome.reason)]
        if outcome.state == "holds":
            return []
        return [
            *(("seen", seen) for seen in outcome.seen),
            ("why", outcome.check.why),
            *(("ours", found) for found in self.ours(outcome)),
        ]

    def junit(self, path: Path) -> None:
        """Write what a CI reads."""
        xml = JUnitXml("verify")
        for name, outcomes in self.groups:
            suite = TestSuite(name)
            suite.add_property("url", self.url)
            for outcome in outcomes:
                case = TestCase(
                    f"{outcome.check.row} {outcome.check.title}", f"verify.{name}", outcome.seconds
                )
                if outcome.state == "fails":
                    failure = Failure(outcome.seen[0])
                    failure.text = "\n".join(f"{label}: {text}" for label, text in self._details(outcome))
                    case.result = [failure]
                elif outcome.state == "not checked":
                    case.result = [Skipped(outcome.reason)]
                suite.add_testcase(case)
            xml.add_testsuite(suite)
        xml.write(str(path), pretty=True)

    def html(self, path: Path) -> None:
        """Write one page with all in it."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(), trim_blocks=True
        )
        page = environment.get_template("report.html").render(report=self, signs=SIGNS)
        path.write_text(page, encoding="utf-8")
