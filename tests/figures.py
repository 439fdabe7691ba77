"""The figures of docs/contract.md: the site's policy, which tests and every server's file must agree with."""

from __future__ import annotations

import re

from tests.profiles import ROOT


def figures() -> dict[str, str]:
    """Return each figure's value."""
    page = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| [A-Z]\d \| ([^|]+) \| `([^|`]+)` \|$", page, re.M))


FIGURES = figures()
# On every answer of every front end; the application's own policy is another (see test_headers).
HEADERS = {
    name: FIGURES[name]
    for name in (
        "Content-Security-Policy",
        "X-Content-Type-Options",
        "Referrer-Policy",
        "Permissions-Policy",
        "Cross-Origin-Opener-Policy",
        "Cross-Origin-Resource-Policy",
    )
}
SUITES = FIGURES["TLS 1.2 suites"].split()
