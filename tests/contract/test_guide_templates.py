"""Chapter templates, through the front end."""

from __future__ import annotations

import re

import pytest

from tests.site import Site


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("hello/mvl", "Hello mvl!"),
        ("hello/Zo%C3%AB", "Hello Zoë!"),
        ("hello/%3Cscript%3E", "Hello &lt;script&gt;!"),
        ("hello/%7B%7B7*7%7D%7D", "Hello {{7*7}}!"),
        ("hello/60", "Your result is pass!"),
        ("hello/51", "Your result is pass!"),
        ("hello/50", "Your result is fail"),
        ("hello/30", "Your result is fail"),
        ("hello/0", "Your result is fail"),
        ("hello/-60", "Hello -60!"),
    ],
)
def test_hello_greets_a_name_and_grades_a_score(site: Site, path: str, heading: str) -> None:
    response = site.get(f"/templates/{path}")
    assert response.status_code == 200
    assert f"<h1>{heading}</h1>" in response.text


def test_a_name_is_asked_for(site: Site) -> None:
    assert site.get("/templates/hello/").status_code == 404


def test_result_is_a_table_made_by_a_loop(site: Site) -> None:
    rows = re.findall(r"<tr><th[^>]*>(.*?)</th><td>(.*?)</td></tr>", site.get("/templates/result").text)
    assert rows == [("phy", "50"), ("che", "60"), ("maths", "70")]


def test_line_statements_repeat_and_comments_stay_behind(site: Site) -> None:
    page = site.get("/templates/").text
    rendered = re.search(r"<article>(.*?)</article>", page, re.S)
    assert rendered
    assert re.sub(r"\s+", " ", rendered[1]).strip() == (
        "<ul> <li>phy: 50</li> <li>che: 60</li> <li>maths: 70</li> </ul>"
    )
    assert "%% for subject, marks in result.items()" in page
