"""The command: `python -m verify https://my.example.org`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from verify import checks as _checks  # noqa: F401  registers them
from verify.check import CHECKS, carry_out_all
from verify.report import Report
from verify.site import CannotRunError, Site

ROWS = list(dict.fromkeys(check.row for check in CHECKS))


def rows(text: str) -> set[str]:
    """Read "R2,l3"; name what is no row."""
    named = {row.strip().upper() for row in text.split(",") if row.strip()}
    if unknown := named - set(ROWS):
        raise CannotRunError(
            f"There is no check of row {', '.join(sorted(unknown))}. There are: {', '.join(ROWS)}."
        )
    return named


def arguments(given: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "verify", description="Hold a server against the contract, from outside."
    )
    parser.add_argument("url", help="a page that anybody may see, https://my.example.org/")
    parser.add_argument("--only", default="", metavar="ROWS", help=f"these rows alone, of {','.join(ROWS)}")
    parser.add_argument("--skip", default="", metavar="ROWS", help="all rows but these")
    parser.add_argument("--ca", metavar="FILE", help="trust certificates that this authority signed")
    parser.add_argument("--insecure", action="store_true", help="go on where the certificate is not trusted")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="for the reports"
    )
    return parser.parse_args(given)


def run(given: list[str], console: Console) -> int:
    """Return 0 where all holds that could be checked, 1 where something fails."""
    options, started = arguments(given), time.monotonic()
    only, skip = rows(options.only) or set(ROWS), rows(options.skip)
    chosen = [check for check in CHECKS if check.row in only - skip]
    if not chosen:
        raise CannotRunError("No check is left: --skip takes away all of --only.")
    with console.status("Looking at the site …"):
        site = Site(options.url, ca=options.ca, insecure=options.insecure)
    with console.status("Checking; slow clients take half a minute …"):
        outcomes = carry_out_all(chosen, site)
    server = site.page.headers.get("Server", "")
    report = Report(str(site.url), server, site.notes, outcomes, site.requests, time.monotonic() - started)
    report.show(console)
    page, junit = options.results / "verify.html", options.results / "verify.xml"
    try:
        options.results.mkdir(parents=True, exist_ok=True)
        report.html(page)
        report.junit(junit)
    except OSError as error:
        raise CannotRunError(f"{error.filename} cannot be written: {error.strerror}.") from error
    console.print(f"The same for a browser: {page}, for a CI: {junit}", soft_wrap=True)
    if report.count("not checked") == len(outcomes):
        raise CannotRunError("Nothing could be checked: see the reasons above.")
    return 1 if report.count("fails") else 0


def main(given: list[str] | None = None) -> int:
    """Run; say in one sentence why where that cannot be (exit code 2)."""
    try:
        return run(
            sys.argv[1:] if given is None else given,
            Console(highlight=False, width=None if sys.stdout.isatty() else 110),
        )
    except CannotRunError as reason:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"error: {reason}", markup=False)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
