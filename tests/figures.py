"""The figures of docs/contract.md: the site's policy, which tests and every server's file must agree with."""

from __future__ import annotations

import re

from tests.profiles import ROOT

_PAGE = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
_TABLE = re.findall(r"^\| ([A-Z]\d) \| ([^|]+) \| `([^|`]+)` \|$", _PAGE, re.M)
FIGURES: dict[str, str] = {figure: value for _, figure, value in _TABLE}
ROWS: dict[str, str] = {figure: row for row, figure, _ in _TABLE}
# On every answer of every front end; the application's own policy is another (see test_headers).
HEADERS = {figure: FIGURES[figure] for figure, row in ROWS.items() if row == "H1"}
SUITES = FIGURES["TLS 1.2 suites"].split()
