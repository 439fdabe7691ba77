"""The list of profiles, read from the one place where it stands."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


TABLE = ROOT / "profiles.csv"


@dataclass(frozen=True)
class Profile:
    """A row of profiles.csv."""

    name: str
    front_end: str
    transport: str
    server: str
    app_service: str
    processes: str
    http_2: str
    http_3: str
    reload: str
    choose: str

    @property
    def front(self) -> str:
        """Return the service that publishes the port, and the folder of its files."""
        return self.name if self.front_end == "none" else self.front_end


ROWS = list(csv.reader(TABLE.read_text(encoding="utf-8").splitlines()))
PROFILES = {row[0]: Profile(*row) for row in ROWS[1:]}
PRODUCTION = [name for name, profile in PROFILES.items() if profile.front_end != "none"]
FRONT_ENDS = list(dict.fromkeys(PROFILES[name].front for name in PRODUCTION))


def sibling(front: str) -> str:
    """Return the front end of which this one is a variant: nginx for nginx-fastcgi; nginx for itself."""
    return front.partition("-")[0]


def table() -> str:
    """Return the table of README: what each profile is, and when to choose it."""
    head, *rows = ROWS
    hidden = head.index("application service")
    lines = [head, ["---"] * len(head)]
    for name, front, *rest in rows:
        readme = front if front == "none" else f"[`{front}/`]({front}/README.md)"
        lines.append([f"`{name}`", readme, *rest])
    return "".join(f"| {' | '.join(line[:hidden] + line[hidden + 1 :])} |\n" for line in lines)


def main() -> None:
    """Write the table into README."""
    page = ROOT / "README.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(r"(?m)^\| profile \|(.*\n\|)*.*\n", lambda _: table(), text), encoding="utf-8")


if __name__ == "__main__":
    main()
