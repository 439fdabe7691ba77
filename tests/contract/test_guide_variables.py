"""Chapter variable rules, through the front end."""

from __future__ import annotations

import pytest

from tests.site import Site


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("hello/TutorialsPoint", "Hello TutorialsPoint!"),
        ("hello/Zo%C3%AB%20%26%20Co", "Hello Zoë &amp; Co!"),
        ("hello/%3Cimg%20src=x%20onerror=alert(1)%3E", "Hello &lt;img src=x onerror=alert(1)&gt;!"),
        ("blog/11", "Blog Number 11"),
        ("blog/0", "Blog Number 0"),
        ("rev/1.1", "Revision Number 1.100000"),
        ("rev/20.0", "Revision Number 20.000000"),
        ("path/one/two/three.txt", "Path one/two/three.txt"),
        ("path/%3Cb%3E/two", "Path &lt;b&gt;/two"),
        ("flask", "Hello Flask"),
        ("python/", "Hello Python"),
    ],
)
def test_a_variable_part_reaches_the_view_escaped(site: Site, path: str, text: str) -> None:
    response = site.get(f"/variables/{path}")
    assert (response.status_code, response.text) == (200, text)


@pytest.mark.parametrize(
    "path",
    ["blog/abc", "blog/1.5", "blog/-1", "blog/", "rev/1", "rev/abc", "rev/1e5", "hello/", "path/", "flask/"],
)
def test_what_no_converter_accepts_is_not_found(site: Site, path: str) -> None:
    assert site.get(f"/variables/{path}").status_code == 404


def test_a_number_too_large_to_hold_is_not_found(site: Site) -> None:
    assert site.get(f"/variables/rev/{'9' * 400}.0").status_code == 404


def test_a_missing_slash_at_the_end_is_redirected(site: Site) -> None:
    response = site.get("/variables/python")
    assert response.status_code == 308
    assert response.headers["Location"].endswith("/variables/python/")
    followed = site.get("/variables/python", allow_redirects=True)
    assert (followed.status_code, followed.text) == (200, "Hello Python")
