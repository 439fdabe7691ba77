"""What a run found, in tables."""

from __future__ import annotations

from statistics import median
from typing import Any

from rich.table import Table

from bench.cases import CASES
from bench.run import WAYS


def summary(found: dict[str, Any], profile: str, case: str, way: str = "inside") -> dict[str, float] | None:
    """Return the medians over all rounds of a case, and the spread (half of the range, over the median).

    `rate` in requests/s, `cpu` in processor ms a request, `p50` and `p99` in ms; None where it was not run.
    """
    rows = [
        row
        for row in found["rows"]
        if (row["profile"], row["case"], row["way"]) == (profile, case, way) and row["requests"]
    ]
    if not rows:
        return None
    rates = [row["requests"] / row["seconds"] for row in rows]
    return {
        "rate": median(rates),
        "spread": (max(rates) - min(rates)) / 2 / median(rates),
        "cpu": median(1000 * row["cpu"] / row["requests"] for row in rows),
        "machine_cpu": median(1000 * row["machine_cpu"] / row["requests"] for row in rows),
        "p50": median(row["latency"].get("50", 0.0) for row in rows),
        "p99": median(row["latency"].get("99", 0.0) for row in rows),
        "calibration": median(row["calibration"] for row in rows),
    }


OF_A_PROFILE = {
    "pss_idle": "memory at rest, MB (PSS)",
    "pss_load": "memory under load, MB (PSS)",
    "processes": "processes",
    "image": "images, MB",
    "start_warm": "start of its containers, s",
    "start_cold": "make up, s",
    "reload": "make reload, s",
}


def table(found: dict[str, Any]) -> Table:
    """Return requests/s of each case and profile, for a terminal."""
    profiles = list(found["profiles"])
    caption = "requests/s ± half the range, and processor ms a request: medians of all rounds"
    shown = Table("", *profiles, caption=caption)
    for column in shown.columns[1:]:
        column.justify = "right"
    for case in CASES:
        for way in WAYS[: 1 + case.published]:
            cells = []
            for profile in profiles:
                got = summary(found, profile, case.name, way)
                cells.append(f"{got['rate']:,.0f} ±{got['spread']:.0%}  {got['cpu']:.2f}" if got else "")
            shown.add_row(f"{case.title} (published port)" if way == "published" else case.title, *cells)
    for name, title in OF_A_PROFILE.items():
        figures = [found["profiles"][profile].get(name) for profile in profiles]
        cells = ["" if figure is None else f"{figure:.1f}" for figure in figures]
        shown.add_row(title, *cells)
    return shown
