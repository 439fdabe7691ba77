"""The charts of a run, as SVG."""

from __future__ import annotations

from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.load import PERCENTILES
from bench.summary import medians, summary

SETTINGS: Any = {
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "bench",  # the same figures make the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
}
BAR = "#2f6f9f"
COLOURS = ["#2f6f9f", "#c0504d", "#3b8a5a", "#8a5fb0", "#c98a1b", "#4b4b4b"]
DASHES = ["-", "--", ":"]


def svg(figure: Figure, title: str) -> str:
    """Return a figure as an SVG element that a page may hold."""
    text = StringIO()
    figure.savefig(
        text, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None, "Title": title}
    )
    return "<svg" + text.getvalue().partition("<svg")[2]


def bars(found: dict[str, Any], case: str, title: str) -> str:
    """Draw what one case gives and costs: requests/s, and processor seconds per 1,000 requests."""
    rows = {profile: got for profile in found["profiles"] if (got := summary(found, profile, case))}
    names = sorted(rows, key=lambda name: rows[name]["rate"])
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 0.8 + 0.28 * len(names)))
        rates, costs = figure.subplots(1, 2, sharey=True)
        values = [rows[name]["rate"] for name in names]
        errors = [rows[name]["rate"] * rows[name]["spread"] for name in names]
        rates.barh(names, values, xerr=errors, color=BAR, error_kw={"elinewidth": 1})
        rates.set_xlabel("requests/s (more is better)")
        costs.barh(names, [rows[name]["cpu"] for name in names], color="#9fb8c8")
        costs.set_xlabel("processor seconds per 1,000 requests (less is better)")
        figure.suptitle(title)
        return svg(figure, title)


def latencies(found: dict[str, Any], case: str, title: str) -> str:
    """Draw how many requests of a case were answered within how many milliseconds."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 4))
        axes = figure.subplots()
        for number, profile in enumerate(found["profiles"]):
            got = medians(found, profile, case)
            if not got:
                continue
            # 99.9 % and 99 % stand as far apart as 99 % and 90 %.
            shown = [percent for percent in PERCENTILES if 50 <= float(percent) < 100]
            axes.plot(
                [100 / (100 - float(percent)) for percent in shown],
                [got[percent] for percent in shown],
                label=profile,
                color=COLOURS[number % len(COLOURS)],
                linestyle=DASHES[number // len(COLOURS) % len(DASHES)],
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        marks = ["50", "90", "99", "99.9"]
        axes.set_xticks([100 / (100 - float(mark)) for mark in marks], [f"{mark} %" for mark in marks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("of the requests are answered within")
        axes.set_ylabel("milliseconds")
        if axes.lines:
            axes.legend(fontsize=7, ncols=2, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        figure.suptitle(title)
        return svg(figure, title)


def curve(points: dict[int, dict[str, float]], title: str) -> str:
    """Draw how a case changes with what there is more of: requests/s, processor time, milliseconds."""
    shown = (
        ("requests/s", ("rate",)),
        ("processor seconds per 1,000", ("cpu",)),
        ("50 % and 99 % within, ms", ("p50", "p99")),
    )
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 2.6), layout="constrained")
        for axes, (label, names) in zip(figure.subplots(1, len(shown)), shown, strict=True):
            for colour, name in zip(COLOURS, names, strict=False):
                axes.plot(list(points), [at[name] for at in points.values()], marker="o", color=colour)
            axes.set_xscale("log")
            axes.set_xticks(list(points), [f"{x:,}" for x in points], fontsize=7)
            axes.set_xticks([], minor=True)
            axes.set_ylim(bottom=0)
            axes.set_title(label, fontsize=9)
        figure.supxlabel(title, fontsize=9)
        return svg(figure, title)
