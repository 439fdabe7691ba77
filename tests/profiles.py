"""The list of profiles, read from the one place where it stands."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Profile:
    """A row of profiles.csv; `name` is also the service that publishes the port."""

    name: str
    front_end: str
    transport: str
    server: str
    app_service: str


PROFILES = {
    row[0]: Profile(*row)
    for row in list(csv.reader((ROOT / "profiles.csv").read_text(encoding="utf-8").splitlines()))[1:]
}
PRODUCTION = [name for name, profile in PROFILES.items() if profile.front_end != "none"]
