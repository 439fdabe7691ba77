"""The lines of our own configuration that make a check hold."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from verify.check import Check

ROOT = Path(__file__).parents[1]
PATTERNS: dict[str, dict[str, str]] = tomllib.loads((ROOT / "verify/ours.toml").read_text(encoding="utf-8"))
SERVERS = sorted({server for patterns in PATTERNS.values() for server in patterns} - {"app"})


def server_of(name: str) -> str:
    """Return which of our servers a `Server` header names; "" where none."""
    return next((server for server in SERVERS if server in name.lower()), "")


def line(pattern: str, folder: Path) -> str:
    """Return "file:line  text" of the first line that matches below `folder`, then in servers/."""
    found = [path for place in (folder, ROOT / "servers") for path in sorted(place.rglob("*"))]
    for path in (path for path in found if path.suffix in (".conf", ".lua", ".py")):
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not text.lstrip().startswith(("#", "--")) and re.search(pattern, text):
                return f"{path.relative_to(ROOT)}:{number}  {text.strip()}"
    return ""


def lines(check: Check, server: str) -> list[str]:
    """Return what makes `check` hold in `server`, or in each of ours where it is another."""
    patterns, found = PATTERNS.get(check.name, {}), []
    for name in [server] if server else SERVERS:
        pattern = patterns.get(name, "")
        found.append(
            line(pattern, ROOT / name) if pattern else f"{name}/ has no line for it: it is a default"
        )
    if "app" in patterns:
        found.append(line(patterns["app"], ROOT / "app"))
    return [text for text in found if text]
