"""Chapter SQLAlchemy, through the front end."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from tests.site import Site

NEW = "/sqlalchemy/new"


def student() -> dict[str, str]:
    """A student that no other test has, alone in his city."""
    return {"name": f"Ann {uuid4()}", "city": f"city {uuid4()}", "addr": "1 Hill Road", "pin": "411057"}


def listed(site: Site, city: str) -> list[list[str]]:
    """The first four columns of the list of `city`."""
    page = site.get("/sqlalchemy/", params={"city": city})
    assert page.status_code == 200
    return [
        re.findall(r"<td>([^<]+)</td>", row) for row in re.findall(r"<tr>\s*<td>.*?</tr>", page.text, re.S)
    ]


def url_of(site: Site, city: str, action: str) -> str:
    found = re.search(rf"/sqlalchemy/\d+/{action}", site.get("/sqlalchemy/", params={"city": city}).text)
    assert found
    return found[0]


def test_new_student_is_added_and_listed(site: Site) -> None:
    ann = student()
    response = site.submit(NEW, NEW, ann)
    assert response.status_code == 302
    assert response.headers["Location"].endswith("/sqlalchemy/")
    assert ">Record was successfully added<" in site.get("/sqlalchemy/").text
    assert listed(site, ann["city"]) == [list(ann.values())]


@pytest.mark.parametrize("field", ["name", "city", "addr", "pin"])
def test_an_empty_field_is_asked_for_and_nothing_is_stored(site: Site, field: str) -> None:
    ann = student()
    response = site.submit(NEW, NEW, ann | {field: ""})
    assert response.status_code == 400
    assert ">Please enter all the fields<" in response.text
    assert listed(site, ann["city"]) == []


def test_too_long_a_field_is_refused_with_its_limit(site: Site) -> None:
    ann = student()
    response = site.submit(NEW, NEW, ann | {"pin": "12345678901"})
    assert response.status_code == 400
    assert "The field pin takes 10 characters; yours has 11." in response.text
    assert listed(site, ann["city"]) == []


def test_markup_and_quotes_are_data(site: Site) -> None:
    ann = student() | {"addr": "<b>'); DROP TABLE students;--"}
    assert site.submit(NEW, NEW, ann).status_code == 302
    assert listed(site, ann["city"])[0][2] == "&lt;b&gt;&#39;); DROP TABLE students;--"


def test_without_the_token_nothing_is_stored(site: Site) -> None:
    ann = student()
    assert site.post(NEW, data=ann).status_code == 400
    assert listed(site, ann["city"]) == []


def test_edit_replaces_the_row(site: Site) -> None:
    ann = student()
    site.submit(NEW, NEW, ann)
    edit = url_of(site, ann["city"], "edit")
    assert f'value="{ann["name"]}"' in site.get(edit).text
    assert site.submit(edit, edit, ann | {"pin": "1"}).status_code == 302
    assert listed(site, ann["city"]) == [[ann["name"], ann["city"], ann["addr"], "1"]]


def test_delete_removes_the_row_by_post_alone(site: Site) -> None:
    ann = student()
    site.submit(NEW, NEW, ann)
    delete = url_of(site, ann["city"], "delete")
    assert site.get(delete).status_code == 405
    assert site.post(delete).status_code == 400
    assert len(listed(site, ann["city"])) == 1
    assert site.submit(NEW, delete).status_code == 302
    assert listed(site, ann["city"]) == []
    assert site.submit(NEW, delete).status_code == 404


@pytest.mark.parametrize(
    "path", ["2147483647/edit", "99999999999999999999/edit", "abc/edit", "?page=0", "?page=x"]
)
def test_what_is_not_there_is_404(site: Site, path: str) -> None:
    assert site.get(f"/sqlalchemy/{path}").status_code == 404
