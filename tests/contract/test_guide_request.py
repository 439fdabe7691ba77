"""Chapter request object, through the front end."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from tests.site import Site

PAGE = "/request/"
JSON = {"Accept": "application/json"}


def inspected(site: Site, query: str = "") -> dict[str, Any]:
    response = site.get(f"/request/inspect{query}", headers=JSON)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    arrived = response.json()
    assert isinstance(arrived, dict)
    return arrived


def test_result_is_a_table_of_the_form_s_pairs(site: Site) -> None:
    marks = {"Name": "MVL", "Physics": "50", "Chemistry": "60", "Mathematics": "70"}
    response = site.submit(PAGE, "/request/result", marks)
    assert response.status_code == 200
    rows = re.findall(r"<tr><th[^>]*>(.*?)</th><td>(.*?)</td></tr>", response.text)
    assert rows == list(marks.items())


def test_result_shows_all_values_of_a_field_escaped(site: Site) -> None:
    response = site.submit(PAGE, "/request/result", {"<i>": ["<b>", "Zoë & Co", ""]})
    rows = re.findall(r"<tr><th[^>]*>(.*?)</th><td>(.*?)</td></tr>", response.text)
    assert rows == [("&lt;i&gt;", "&lt;b&gt;"), ("&lt;i&gt;", "Zoë &amp; Co"), ("&lt;i&gt;", "")]


def test_result_of_a_form_without_fields_says_so(site: Site) -> None:
    response = site.submit(PAGE, "/request/result")
    assert response.status_code == 200
    assert "The form carried no fields." in response.text


def test_result_without_the_token_is_refused(site: Site) -> None:
    assert site.post("/request/result", data={"Name": "MVL"}).status_code == 400


def test_result_by_get_leads_to_the_form(site: Site) -> None:
    response = site.get("/request/result")
    assert response.status_code == 302
    assert response.headers["Location"].endswith("/request/")


def test_inspect_shows_method_query_and_cookies(site: Site) -> None:
    site.cookies.set("flavour", "oat")
    arrived = inspected(site, "?a=1&a=2&b=%C3%AB")
    assert arrived["method"] == "GET"
    assert arrived["args"] == {"a": ["1", "2"], "b": ["ë"]}
    assert arrived["form"] == {}
    assert arrived["files"] == []
    assert arrived["cookies"] == {"flavour": "oat"}


def test_inspect_shows_the_connection_as_the_client_made_it(site: Site) -> None:
    arrived = inspected(site)
    assert arrived["scheme"] == urlsplit(site.base_url).scheme
    assert arrived["host"] == urlsplit(site.base_url).netloc
    assert arrived["root"] == site.base_url
    assert arrived["url"] == f"{site.base_url}request/inspect"
    assert re.fullmatch(r"[0-9a-f.:]+", arrived["client"])


def test_inspect_shows_form_and_files_of_a_post(site: Site) -> None:
    files = [
        ("file", ("Zoë.txt", b"twelve bytes", "text/plain")),
        ("file", ("<b>.bin", b"\0" * 600_000, "application/octet-stream")),
        ("none", ("", b"", "application/octet-stream")),
    ]
    data = {"note": ["one", "two"]}
    response = site.submit(PAGE, "/request/inspect", data, files=files, headers=JSON)
    assert response.status_code == 200
    arrived = response.json()
    assert arrived["method"] == "POST"
    assert arrived["form"] == {"note": ["one", "two"]}
    assert arrived["files"] == [
        {"field": "file", "name": "Zoë.txt", "type": "text/plain", "size": 12},
        {"field": "file", "name": "<b>.bin", "type": "application/octet-stream", "size": 600_000},
    ]


def test_inspect_never_shows_the_session_s_cookie(site: Site) -> None:
    """The cookie is kept from scripts; a page that repeats it would hand it to them."""
    site.token(PAGE)
    secret = site.cookies["session"]
    assert inspected(site)["cookies"] == {"session": "(not shown)"}
    assert secret not in site.get("/request/inspect").text


def test_inspect_is_a_page_for_a_browser_and_escapes(site: Site) -> None:
    response = site.get("/request/inspect?x=%3Cscript%3E", headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<th scope="row">x</th><td>&lt;script&gt;</td>' in response.text
    assert "Accept" in response.headers["Vary"]


def test_inspect_by_post_without_the_token_is_refused_in_the_client_s_form(site: Site) -> None:
    response = site.post("/request/inspect", data={"a": "1"}, headers=JSON)
    assert response.status_code == 400
    assert response.json()["status"] == 400
