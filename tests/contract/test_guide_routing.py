"""Chapter routing, through the front end."""

from __future__ import annotations

import pytest

from tests.site import Site


@pytest.mark.parametrize("rule", ["hello", "rule"])
def test_a_view_answers_at_each_of_its_rules(site: Site, rule: str) -> None:
    response = site.get(f"/routing/{rule}")
    assert (response.status_code, response.text) == (200, "hello world")


def test_an_address_without_a_rule_is_not_found(site: Site) -> None:
    assert site.get("/routing/nothing").status_code == 404
