"""What the rows of a run come to: medians over the rounds."""

from __future__ import annotations

from statistics import median
from typing import Any


def rows_of(found: dict[str, Any], profile: str, case: str, way: str = "inside") -> list[dict[str, Any]]:
    """Return the rows of a case, one a round."""
    return [row for row in found["rows"] if (row["profile"], row["case"], row["way"]) == (profile, case, way)]


def summary(found: dict[str, Any], profile: str, case: str, way: str = "inside") -> dict[str, float] | None:
    """Return the medians over all rounds of a case, and the spread: half of the range, over the median.

    `rate` in requests/s, `cpu` in processor seconds per 1,000 requests (`machine_cpu`: of the whole machine,
    the load generator's among them), `p50` and `p99` in ms, `calibration` in seconds.
    None where nothing was answered.
    """
    rows = [row for row in rows_of(found, profile, case, way) if row["latency"]]
    if not rows:
        return None
    rates = [row["requests"] / row["seconds"] for row in rows]
    return {
        "rate": median(rates),
        "spread": (max(rates) - min(rates)) / 2 / median(rates),
        "cpu": median(1000 * row["cpu"] / row["requests"] for row in rows),
        "machine_cpu": median(1000 * row["machine_cpu"] / row["requests"] for row in rows),
        "p50": median(row["latency"]["50"] for row in rows),
        "p99": median(row["latency"]["99"] for row in rows),
        "calibration": median(row["calibration"] for row in rows),
    }


def medians(found: dict[str, Any], profile: str, case: str) -> dict[str, float]:
    """Return the latency of a case in ms by percentile; empty where nothing was answered."""
    rows = [row for row in rows_of(found, profile, case) if row["latency"]]
    return {name: median(row["latency"][name] for row in rows) for name in rows[0]["latency"]} if rows else {}
