"""Which lines of a server's configuration would no test miss? `make prove-config PROFILE=nginx`.

Takes each directive of the profile's files away in turn, restarts the front end with the rest, and runs the
contract until a test fails. Writes docs/prove-config/PROFILE.md: each directive with what noticed, or why
nothing can (tests/unproven.csv). Fails where a directive has neither, or fewer than 95 % are noticed.

The last report says which test to try first: so a second run takes minutes, where a first one takes hours.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import requests

from tests.profiles import PRODUCTION, PROFILES, ROOT, sibling
from tests.stacks import Stack, copy_of_repository, until

REPORTS = ROOT / "docs/prove-config"
UNPROVEN = ROOT / "tests/unproven.csv"
WANTED = 0.95

# These read the files themselves, while what counts here is behaviour; the scanner takes minutes.
READERS = "not image_carries and not drift and not scanner"
# What the words of a directive are about: tried first, as it takes seconds.
WORDS = {
    "test_R1": r"listen|socket.*::|server\.port",
    "test_R2": r"ssl|SSL|Cipher|Protocol|http2|quic",
    "test_R3": r"308|redirect|to_tls",
    "test_R4": r"421|[Hh]ost|HOST|name|THE_REQUEST",
    "test_T1": r"full_host|proxy_set_header|SCRIPT",
    "test_T2": r"unset|clear_input|[Ff]orwarded",
    "test_T3": r"real_ip|RemoteIP|[Ff]orward",
    "test_T4": r"[Rr]equest.[Ii][Dd]|\bid\b|UNIQUE",
    "test_T5": r"request_uri ~|AllowAny|EncodedSlashes|REQUEST_URI|THE_REQUEST|normalize|_errors|return 400",
    "test_T7": r"Authorization|METHOD",
    "test_T8": r"Chunked|505|h2c",
    "test_S1": r"root|STATIC|alias|Alias",
    "test_S2": r"[Cc]ache|immutable|charset|Charset|mime|AddEncoding|Remove",
    "test_S3": r"gzip|brotli|deflate|zstd|BROTLI|DEFLATE|Filter|Encoding|[Vv]ary|\bbr\b|zst|errordocs",
    "test_S4": r"404|try_files|\bbak\b|static\.lua|Options None|Directory",
    "test_L1": r"body_size|request-size|Content-Length|413",
    "test_L2": r"too_many|field-size|431|494|limits",
    "test_H1": r"Content-|Policy|Referrer|Permissions|Cross-Origin|policy|content_type_options|response\.lua",
    "test_H2": r"server_tokens|ServerTokens|server\.tag|Signature",
    "test_C": r"stream",
    "test_T6": r"alias|[Pp]refix|PREFIX",
    "test_F6": r"[Rr]etry",
    "test_F5": r"[Ss]hutdown",
    "test_R1_server_that_root": r"^user |username|groupname|pid-file|error_?log|python-home|STATIC_URL",
    "test_F1": r"50\[234|error_page|ErrorDoc|errorfile|sub_filter|error_type|[Rr]etry|INCLUDE|disable-time",
    "test_V1": r"log|Log",
    "test_V2": r"healthz|X-Log|errorlog",
    "test_configuration_in_effect": r"WEB_CONCURRENCY",
    "test_V3": r"metrics|allow|deny|Require local",
}
# What each section of a file is for: its rows of the contract come next.
ROWS = {
    "Edit this block": "test_R or test_T3 or test_S1",
    "Identity": "test_R or test_T",
    "TLS": "test_R1 or test_R2",
    "Limits": "test_L",
    "Static files": "test_S",
    "Application": "test_T or test_C or test_V3 or test_L4 or test_F1",
    "Headers": "test_H or test_R2 or test_F1 or test_F6",
    "Errors": "test_F1 or test_H or test_S4 or test_T or test_L",
    "Log": "test_V",
    "Processes and threads": "test_L3 or test_L5 or test_V2 or test_C",
    "Replacement by servers/httpd.py": "test_F3 or test_F5",
}
# These take minutes or start stacks of their own: they come last.
SLOW = {"limits", "faults", "reload", "fuzz", "streaming", "prefix"}
# These ask nothing of the configuration.
OTHERS = {"make", "quick", "replace", "sabotage"}


@dataclass(frozen=True)
class Directive:
    """What is taken away at once: the lines `first` to `last` of `file`, counted from 0."""

    file: Path
    section: str
    first: int
    last: int
    text: str


def directives(file: Path, text: str, server: str) -> Iterator[Directive]:
    """Yield the directives of a file of `server`: of a list each element, of a block what it holds."""
    section, begun, server = "", None, sibling(server)
    comment = r"^\s*#.*" if server == "apache" else r"(^|\s)#.*"
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if heading := re.match(r"\s*# (?:----|====) (.+?) (?:----|====)", line):
            section = heading[1]
        code = re.sub(comment, "", line).strip()
        bracket = re.fullmatch(r"[\[({})\],;]+|.*[({]|} ?else.*\{|</?[A-Z][^>]*>", code)
        if begun is None and (not code or bracket):
            continue
        begun = number if begun is None else begun
        if server == "nginx" and not code.endswith((";", "}")):
            continue
        if server == "apache" and code.endswith("\\"):
            continue
        words = " ".join(re.sub(comment, "", part).strip(" \t\\") for part in lines[begun : number + 1])
        yield Directive(file, section, begun, number, words)
        if server == "apache":  # the options that stand on lines of their own, too
            for option in range(begun + 1, number + 1):
                yield Directive(file, section, option, option, lines[option].strip(" \t\\"))
        begun = None


def all_directives(profile: str) -> Iterator[Directive]:
    """Yield the directives of all files of the profile's folder, but for what a container has not.

    Of a server under systemd are sysctl.d and ACME's files: tests/host/ proves them.
    Of a variant those that its sibling does not have: the sibling's own report tells of the rest.
    """
    front = PROFILES[profile].front
    known = {found.text for found in all_directives(sibling(front))} if front != sibling(front) else set()
    for file in sorted((ROOT / front).rglob("*.conf")):
        if file.parent.name != "sysctl.d" and "acme" not in file.name:
            for found in directives(file.relative_to(ROOT), file.read_text(encoding="utf-8"), front):
                if found.text not in known:
                    yield found


def without(text: str, directive: Directive) -> str:
    """Return `text` without the directive."""
    lines = text.splitlines()
    kept = lines[: directive.first] + lines[directive.last + 1 :]
    continued = lines[directive.last].endswith("\\")
    if directive.first and not continued and lines[directive.first - 1].endswith("\\"):
        kept[directive.first - 1] = kept[directive.first - 1].rstrip(" \\")
    return "\n".join(kept) + "\n"


class Proof:
    """A running stack of the profile, started from a copy of the repository whose files are changed."""

    def __init__(self, profile: str, scratch: Path, *, brief: bool = False) -> None:
        self.brief = brief
        self.stack = Stack(profile, copy_of_repository(scratch))
        # Tests that start stacks of their own copy what git knows.
        for command in (["init", "--quiet"], ["add", "--all"]):
            subprocess.run(["git", *command], cwd=scratch, check=True)
        self.attached = scratch / "results/attached.json"
        self.stack.up()
        self.check = self.stack.front.labels["reload.check"]
        self.proven: dict[str, bool] = {}
        self.attached.parent.mkdir(exist_ok=True)
        self.attached.write_text(json.dumps(self.stack.address()), encoding="utf-8")

    def remove(self) -> None:
        """Remove the stack, and the images that are its own by their tag."""
        self.stack.remove()
        self.stack.remove_images(os.environ["TAG"])

    def serves(self) -> bool:
        """Return whether the front end is there after a restart with the files as they are."""
        front = self.stack.front
        front.restart(timeout=5)

        def answers() -> bool:
            try:
                return requests.get(self.stack.base_url, timeout=5).status_code < 600
            except requests.RequestException:
                return False

        try:
            until(answers, "the front end answers", seconds=10)
        except AssertionError:
            return False
        return True

    def noticed_by(self, *arguments: str, but: Iterable[str] = ()) -> str | None:
        """Run tests until one fails, without those of `but`; return its name, or None where all passed."""
        report = self.attached.with_name("prove.xml")
        report.unlink(missing_ok=True)
        command = [".venv/bin/pytest", "-q", "--maxfail=1", "--profiles", self.stack.profile.name]
        command += ["--attach", str(self.attached), "--junitxml", str(report), *arguments]
        for test in [*but, *(test for test, holds in self.proven.items() if not holds)]:
            command += ["--deselect", test]
        done = subprocess.run(
            command, cwd=self.stack.folder, check=False, text=True, capture_output=True,
            stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        if (
            done.returncode in {0, 5} or "ERROR: not found:" in done.stderr + done.stdout
        ):  # no test is called so
            return None
        assert done.returncode == 1, done.stdout + done.stderr
        failed = [
            case
            for case in ElementTree.parse(report).iter("testcase")
            if case.find("failure") is not None or case.find("error") is not None
        ]
        assert failed, done.stdout + done.stderr
        module = str(failed[0].get("classname")).replace(".", "/")
        return f"{module}.py::{str(failed[0].get('name')).partition('[')[0]}"

    def try_without(self, directive: Directive, first_choice: str | None) -> str | None:
        """Take the directive away; return what noticed."""
        file = self.stack.folder / directive.file
        sound = file.read_text(encoding="utf-8")
        by_chance: list[str] = []
        for tests in self.plan(directive, first_choice):
            while True:
                try:
                    file.write_text(without(sound, directive), encoding="utf-8")
                    code, _ = self.stack.attempt(self.stack.front, "sh", "-c", self.check)
                    if code:
                        return "the server's own check"
                    if not self.serves():
                        file.write_text(sound, encoding="utf-8")
                        self.serves()  # the next check runs in this container
                        return "the start"
                    noticed = self.noticed_by(*tests, but=by_chance)
                    again = noticed and (noticed == first_choice or self.noticed_by(noticed))
                finally:
                    file.write_text(sound, encoding="utf-8")
                if noticed is None:
                    break
                if not again:
                    by_chance.append(noticed)
                elif self.holds(noticed):
                    return noticed
        return None

    def holds(self, test: str) -> bool:
        """Return whether the test passes with the whole configuration; one that does not is left out."""
        if test not in self.proven:
            self.proven[test] = self.serves() and self.noticed_by(test) is None
        return self.proven[test]

    def plan(self, directive: Directive, first_choice: str | None) -> Iterator[list[str]]:
        """Yield what to run, the likely and the quick first."""
        folder = self.stack.folder
        files = [*folder.glob("tests/contract/test_*.py"), *folder.glob("tests/stack/test_*.py")]
        files = [file for file in files if not OTHERS & set(file.stem.split("_"))]
        if first_choice and (folder / first_choice.partition("::")[0]).exists():
            yield [first_choice]
        slow = [str(file) for file in files if SLOW & set(file.stem.split("_"))]
        quick = [str(file) for file in files if str(file) not in slow]
        if words := [test for test, words in WORDS.items() if re.search(words, directive.text)]:
            not_slow = "not test_L3 and not test_L4 and not test_L5 and not test_L6"
            yield [*map(str, files), "-k", f"({' or '.join(words)}) and {not_slow} and {READERS}"]
        rows = next((rows for name, rows in ROWS.items() if directive.section.startswith(name)), None)
        if rows:
            yield [*quick, "-k", f"({rows}) and {READERS}"]
            yield [*slow, "-k", f"({rows}) and {READERS}"]
        if self.brief and rows:
            return
        yield [*quick, "-k", READERS]
        if self.brief:
            return
        yield [*slow, "-k", READERS]


def progress(profile: str) -> Path:
    """Return the file of what a run has found so far; the next one goes on from there."""
    return ROOT / f"results/prove-config-{profile}.json"


def last_report(profile: str) -> dict[tuple[str, str], list[str]]:
    """Return (file, directive) → what noticed it, as the last report has it; some stand there twice."""
    report = REPORTS / f"{profile}.md"
    text = report.read_text(encoding="utf-8") if report.exists() else ""
    noticed: dict[tuple[str, str], list[str]] = {}
    for part in text.split("\n## ")[1:]:
        file = part.partition("\n")[0]
        for directive, what in re.findall(r"^\| `(.+?)` \| (?!\*\*)`?(.+?)`? \|$", part, re.M):
            noticed.setdefault((file, directive), []).append(what)
    return noticed


def in_table(text: str) -> str:
    """Return a directive as a cell of the report: short, and without what a table means by a bar."""
    short = text if len(text) <= 90 else text[:89] + "…"
    return short.replace("|", "¦").replace("`", "'")


def write_report(
    profile: str, found: dict[Directive, str | None], reasons: dict[str, str], *, brief: bool = False
) -> float:
    """Write docs/prove-config/PROFILE.md; return the share of directives that something noticed."""
    noticed = sum(what is not None for what in found.values())
    share = noticed / len(found)
    lines = [
        f"# {profile}: what notices the absence of each directive",
        "",
        f"Written by `make prove-config PROFILE={profile}`: {noticed} of {len(found)} directives"
        f" ({share:.1%}) are noticed. Each was taken away in turn, and the front end started with the rest.",
        *(
            ["", "A brief run: of each, only the tests that its section and its words suggest."]
            if brief
            else []
        ),
    ]
    for file in dict.fromkeys(directive.file for directive in found):
        lines += ["", f"## {file}", "", "| without | is noticed by |", "|---|---|"]
        for directive, what in found.items():
            if directive.file == file:
                cell = in_table(directive.text)
                said = (
                    f"`{what}`" if what and "::" in what else what or f"**nothing**: {reasons.get(cell, '?')}"
                )
                lines.append(f"| `{cell}` | {said} |")
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / f"{profile}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return share


def main() -> int:
    """Run the command line; return 0 where the configuration is proven."""
    parser = argparse.ArgumentParser(prog="prove_config", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("profile", choices=PRODUCTION)
    parser.add_argument("--only", default="", help="the directives that contain this text; writes no report")
    parser.add_argument(
        "--brief",
        action="store_true",
        help="try only the tests of a section's rows, and nothing where tests/unproven.csv has a reason",
    )
    parser.add_argument(
        "--go-on",
        action="store_true",
        help="take what the report says as it is, and try what nothing noticed, or a run did not come to",
    )
    options = parser.parse_args()
    profile: str = options.profile
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is removed
    os.environ["TAG"] = f"prove-{profile}"
    before = last_report(profile)
    known = {directive: noticed[0] for (_, directive), noticed in before.items() if "::" in noticed[0]}
    if progress(profile).exists():
        known |= json.loads(progress(profile).read_text(encoding="utf-8"))
    reasons = {}
    if UNPROVEN.exists():
        with UNPROVEN.open(encoding="utf-8", newline="") as rows:
            reasons = {
                row["directive"]: row["reason"] for row in csv.DictReader(rows) if row["profile"] == profile
            }
    wanted = [d for d in all_directives(profile) if options.only in d.text]
    found: dict[Directive, str | None] = dict.fromkeys(wanted)
    for directive in wanted if options.go_on else ():
        if noticed := before.get((str(directive.file), in_table(directive.text))):
            found[directive] = noticed.pop(0)
    open_ones = [directive for directive, what in found.items() if not what]
    with tempfile.TemporaryDirectory(prefix="prove-") as scratch:
        proof = Proof(profile, Path(scratch), brief=options.brief)
        try:
            for directive in open_ones:
                if options.brief and in_table(directive.text) in reasons:
                    continue
                found[directive] = what = proof.try_without(directive, known.get(in_table(directive.text)))
                if what and "::" in what:
                    known[in_table(directive.text)] = what
                    progress(profile).write_text(json.dumps(known), encoding="utf-8")
                where = f"{directive.file}:{directive.first + 1}"
                print(f"{where}: {in_table(directive.text)} -> {found[directive] or 'NOTHING'}", flush=True)
        finally:
            proof.remove()
            if not options.only:
                share = write_report(profile, found, reasons, brief=options.brief)
    broken = [test for test, holds in proof.proven.items() if not holds]
    for test in broken:
        print(f"error: {test} fails with the whole configuration, too; it was left out", file=sys.stderr)
    if options.only:
        return 0 if all(found.values()) and not broken else 1
    unexplained = [d.text for d, what in found.items() if what is None and in_table(d.text) not in reasons]
    for text in unexplained:
        print(f"error: nothing notices that this is missing: {text}", file=sys.stderr)
    print(f"==> {share:.1%} of {len(found)} directives are noticed: see docs/prove-config/{profile}.md")
    return 1 if broken or unexplained or share < WANTED else 0


if __name__ == "__main__":
    sys.exit(main())
