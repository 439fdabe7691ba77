"""Chapter SQLite, through the front end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from html import unescape
from uuid import uuid4

import pytest

from tests.site import Site

FORM, ADD, LIST = "/sqlite/enternew", "/sqlite/addrec", "/sqlite/list"


def student() -> dict[str, str]:
    return {"nm": f"Ann {uuid4()}", "add": "1 Hill Road", "city": "Pune", "pin": "411057"}


def listed(site: Site, name: str) -> bool:
    """Tell whether `name` is on one of the first pages; other tests add records meanwhile."""
    pages = (unescape(site.get(LIST, params={"page": page}).text) for page in range(1, 20))
    return any(f"<td>{name}</td>" in text for text in pages)


def test_a_record_is_added_and_listed(site: Site) -> None:
    ann = student()
    response = site.submit(FORM, ADD, ann)
    assert response.status_code == 200
    assert ">Record successfully added<" in response.text
    assert listed(site, ann["nm"])


def test_markup_and_quotes_are_data(site: Site) -> None:
    ann = student()
    ann["nm"] += "<b>'); DROP TABLE students;--"
    assert site.submit(FORM, ADD, ann).status_code == 200
    assert "<b>'" not in site.get(LIST).text
    assert listed(site, ann["nm"])


@pytest.mark.parametrize(
    ("field", "column", "limit"),
    [("nm", "name", 100), ("add", "addr", 200), ("city", "city", 50), ("pin", "pin", 10)],
)
def test_an_empty_or_too_long_field_is_rolled_back(site: Site, field: str, column: str, limit: int) -> None:
    for value in ("", "a" * (limit + 1)):
        ann = student()
        response = site.submit(FORM, ADD, ann | {field: value})
        assert response.status_code == 400
        assert f"the insert was rolled back: {column} must have 1 to {limit} characters." in response.text
        assert not listed(site, ann["nm"])


def test_without_the_token_nothing_is_added(site: Site) -> None:
    ann = student()
    assert site.post(ADD, data=ann).status_code == 400
    assert not listed(site, ann["nm"])


def test_writers_at_once_all_add(site: Site) -> None:
    def add(_n: int) -> int:
        return Site(site.base_url).submit(FORM, ADD, student()).status_code

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(add, range(32))) == [200] * 32


@pytest.mark.parametrize("page", ["0", "x", "1000000"])
def test_a_page_that_is_not_there_is_404(site: Site, page: str) -> None:
    assert site.get(LIST, params={"page": page}).status_code == 404


def test_addrec_takes_post_alone(site: Site) -> None:
    assert site.get(ADD).status_code == 405
