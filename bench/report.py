"""What a run found: for a terminal, as one HTML page, and for docs/benchmarks.md.

``python -m bench.report FILE`` writes the latter.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from rich.table import Table

from bench import charts, curves, settings
from bench.cases import CASES
from bench.run import WAYS, ways
from bench.summary import summary
from tests.profiles import PRODUCTION, PROFILES, ROOT

PAGE = ROOT / "docs/benchmarks.md"
RESULTS = ROOT / "bench/results.json"

OF_A_PROFILE = {
    "pss_idle": "memory at rest, MB",
    "pss_load": "memory under load, MB",
    "processes": "processes",
    "image": "images, MB",
    "start_warm": "start, s",
    "start_cold": "`make up`, s",
    "reload": "`make reload`, s",
}


OTHERWISE = {"published": " (published port)", "alone": " (the application server alone)"}
FAMILY = ("page", "static", "static-1m")
"""The cases of which a profile is held beside its own server's plain configuration."""


def family(profile: str) -> str:
    """Return the plain configuration of a profile's front end."""
    return f"plain-{PROFILES[profile].front.split('-')[0]}"


def figure(value: float | None, digits: int = 1) -> str:
    """Return a figure as it is shown; "" for none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.{digits}f}"


def table(found: dict[str, Any]) -> Table:
    """Return all of it for a terminal."""
    profiles = list(found["profiles"])
    caption = "requests/s ± half the range, and processor seconds per 1,000 requests: medians of all rounds"
    shown = Table("", *profiles, caption=caption)
    for column in shown.columns[1:]:
        column.justify = "right"
    for case in CASES:
        for way in (way for way in WAYS if any(way in ways(profile, case) for profile in profiles)):
            title = f"{case.title}{OTHERWISE.get(way, '')}"
            got = [summary(found, profile, case.name, way) for profile in profiles]
            shown.add_row(title, *(f"{rate(row)}  {figure(row['cpu'], 2)}" if row else "" for row in got))
    for name, title in OF_A_PROFILE.items():
        shown.add_row(title.replace("`", ""), *(figure(found["profiles"][p].get(name)) for p in profiles))
    return shown


def rate(row: dict[str, float]) -> str:
    """Return requests/s with their spread."""
    return f"{row['rate']:,.0f} ± {row['spread']:.0%}"


def beside(limit: dict[str, float], ours: dict[str, float]) -> str:
    """Return what is reached of a limit."""
    return f"{ours['rate'] / limit['rate']:.0%}; {ours['cpu'] / limit['cpu']:.1f} times the processor time"


def part_of(inside: dict[str, float], outside: dict[str, float]) -> str:
    """Return what is left of a case through the published port."""
    share, work = outside["rate"] / inside["rate"], outside["machine_cpu"] / inside["machine_cpu"]
    return f"{outside['rate']:,.0f} ({share:.0%}); {work:.1f} times the processor time"


@dataclass(frozen=True)
class Part:
    """One table of the page."""

    title: str
    words: str
    head: list[str]
    rows: list[list[str]]


def tables(found: dict[str, Any]) -> list[Part]:
    """Return the tables of the page, with a row a profile."""
    profiles = list(found["profiles"])

    def row(profile: str, cell: Callable[[dict[str, float]], str]) -> list[str]:
        got = [summary(found, profile, case.name) for case in CASES]
        return [f"`{profile}`", *(cell(one) if one else "" for one in got)]

    def published(profile: str) -> list[str]:
        pairs = [
            [summary(found, profile, case.name, way) for way in WAYS[:2]] for case in CASES if case.published
        ]
        return [f"`{profile}`", *(part_of(one, other) if one and other else "" for one, other in pairs)]

    def limits(profile: str) -> list[str]:
        ours, flask, bare = (summary(found, profile, name) for name in ("page", "flask", "bare"))
        pairs = ((flask, ours), (bare, ours), (bare, flask), (summary(found, profile, "page", "alone"), ours))
        return [f"`{profile}`", *(beside(limit, one) if limit and one else "" for limit, one in pairs)]

    def plainly(profile: str) -> list[str]:
        """Return ours beside the image that many use, and beside its own server set up plainly."""
        others = (
            ("plain-uwsgi", "page"),
            ("plain-uwsgi", "list"),
            *((family(profile), name) for name in FAMILY),
        )
        pairs = ((summary(found, other, case), summary(found, profile, case)) for other, case in others)
        return [f"`{profile}`", *(beside(plain, ours) if plain and ours else "" for plain, ours in pairs)]

    def taken(profile: str) -> list[str]:
        return [f"`{profile}`", *(figure(found["profiles"][profile].get(name)) for name in OF_A_PROFILE)]

    head = ["profile", *(case.title for case in CASES)]
    return [
        Part(
            "Requests per second",
            "Inside the network; median of all rounds ± half of the range.",
            head,
            [row(profile, rate) for profile in profiles],
        ),
        Part(
            "Processor seconds per 1,000 requests",
            "Of the containers of front end and application: the figure that holds on a noisy machine.",
            head,
            [row(profile, lambda one: figure(one["cpu"], 2)) for profile in profiles],
        ),
        Part(
            "99 % are answered within (ms)",
            "",
            head,
            [row(profile, lambda one: figure(one["p99"])) for profile in profiles],
        ),
        Part(
            "Hello World beside its limits",
            "Requests per second and processor time in the same processes: our application,"
            " Flask alone (no extension, header, metric), and a bare WSGI callable. The last: of"
            " the application server on its own socket, no front end before it, where it speaks HTTP.",
            [
                "profile",
                "ours of Flask alone",
                "ours of a bare callable",
                "Flask alone of a bare callable",
                "ours of the application server alone",
            ],
            [*map(limits, profiles)],
        ),
        Part(
            "Beside plain configurations",
            "`plain-uwsgi` is nginx and uWSGI as public images set them up; the others are each server as its"
            " own first pages do (bench/plain). What ours gains over them, or loses to what they leave out.",
            [
                "profile",
                "Hello World of plain-uwsgi",
                "50 rows of plain-uwsgi",
                "Hello World of its server's plain one",
                "10 kB static of its server's plain one",
                "1 MB static of its server's plain one",
            ],
            [plainly(profile) for profile in profiles if profile in PRODUCTION],
        ),
        Part(
            "Through the published port",
            "Requests per second, what share that is, and what the whole machine works for each request.",
            ["profile", *(case.title for case in CASES if case.published)],
            [published(profile) for profile in profiles],
        ),
        Part("What a profile takes", "", ["profile", *OF_A_PROFILE.values()], [*map(taken, profiles)]),
    ]


def drawn(found: dict[str, Any]) -> dict[str, str]:
    """Return the charts by the name of their file."""
    return {
        "page": charts.bars(found, "page", "Hello World"),
        "list": charts.bars(found, "list", "50 rows from SQLite"),
        "static": charts.bars(found, "static", "10 kB static"),
        "latency": charts.latencies(found, "page", "Hello World, 64 connections"),
    }


def facts(found: dict[str, Any]) -> str:
    """Return what was measured on what, in a line."""
    about = found["about"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(found["versions"].items()))
    marked = "" if found["complete"] else "**Interrupted: not all was measured.** "
    return (
        f"{marked}{about['date']}, {about['cores']} cores of {about['processor']}, Linux {about['kernel']}; "
        f"{found['rounds']} rounds of {found['seconds']} s a case. {versions}."
    )


def markdown(found: dict[str, Any]) -> str:
    """Return the part of docs/benchmarks.md that a run makes."""
    lines = [facts(found), "", f"Made by `{found['command']}`.", ""]
    lines += [line for name in drawn(found) for line in (f"![{name}](benchmarks/{name}.svg)", "")]
    for part in tables(found):
        lines += [f"### {part.title}", ""] + ([part.words, ""] if part.words else [])
        rule = ["---", *["---:"] * (len(part.head) - 1)]
        lines += [f"| {' | '.join(row)} |" for row in (part.head, rule, *part.rows)] + [""]
    return "\n".join(lines)


def curves_markdown(found: dict[str, Any]) -> str:
    """Return the part of docs/benchmarks.md that a run of curves makes."""
    text = [f"Curves of `{found['profile']}`, made by `{found['command']}`.", ""]
    for name in curves.drawn(found):
        head, *rows = curves.lines(found, name)
        rule = ["---:"] * len(head)
        text += [f"![{head[0]}](benchmarks/{name}.svg)", ""]
        text += [f"| {' | '.join(row)} |" for row in (head, rule, *rows)] + [""]
    return "\n".join(text)


def settings_markdown(found: dict[str, Any]) -> str:
    """Return the part of docs/benchmarks.md that a run of settings makes."""
    head, *rows = settings.lines(found)
    rule = ["---"] * 3 + ["---:"] * (len(head) - 4) + ["---"]
    text = [f"Made by `{found['command']}`.", ""]
    return "\n".join([*text, *(f"| {' | '.join(row)} |" for row in (head, rule, *rows)), ""])


def html(found: dict[str, Any], path: Path) -> None:
    """Write one page with all in it."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(), trim_blocks=True
    )
    page = environment.get_template("report.html").render(
        facts=facts(found).replace("*", ""),
        command=found["command"],
        charts=drawn(found),
        tables=tables(found),
    )
    path.write_text(page, encoding="utf-8")


def marks(kind: str) -> tuple[str, str]:
    """Return what stands before and behind the part of a page that a run makes: of KINDS."""
    return f"<!-- {kind}: by python -m bench.report -->\n", f"<!-- {kind}: end -->\n"


KINDS: dict[str, tuple[str, Callable[..., dict[str, str]], Callable[..., str]]] = {
    "curves": ("profile", curves.drawn, curves_markdown),
    "settings": ("settings", lambda _: {}, settings_markdown),
    "measured": ("profiles", drawn, markdown),
}
"""What a run is known by, its charts, and its text."""


def publish(results: Path = RESULTS, to: Path = PAGE) -> None:
    """Write a run's figures between the marks of a page (without: at its end), and its charts beside."""
    found = json.loads(results.read_text(encoding="utf-8"))
    kind = next((kind for kind, (known, *_) in KINDS.items() if known in found), "measured")
    _, made, words = KINDS[kind]
    charts_folder = to.with_suffix("")
    charts_folder.mkdir(exist_ok=True)
    for name, chart in made(found).items():
        (charts_folder / f"{name}.svg").write_text(chart, encoding="utf-8")
    text = to.read_text(encoding="utf-8")
    start, end = marks(kind)
    before, after = text.partition(start)[0], text.partition(end)[2]
    to.write_text(before + start + "\n" + words(found) + "\n" + end + after, encoding="utf-8")


if __name__ == "__main__":
    publish(*map(Path, sys.argv[1:]))
