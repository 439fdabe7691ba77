"""make verify finds nothing in our front ends but the differences that are published."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import differences
from tests.stacks import Stack
from tests.verify.command import run
from verify.check import CHECKS

pytestmark = pytest.mark.shared


@pytest.mark.production
def test_verify_finds_no_gap_in_ours(stack: Stack, tmp_path: Path) -> None:
    _, states = run(stack.tls_url, tmp_path, "--ca", str(stack.authority))
    # The redirect is off for localhost; all else can be seen from here.
    assert states["not checked"] == ["redirect_to_https"]
    published = {one.row for one in differences.declared() if one.concerns(stack.profile.name)}
    assert [one.title for one in CHECKS if one.name in states["fails"] and one.row not in published] == []
