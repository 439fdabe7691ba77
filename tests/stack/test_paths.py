"""Row T5: whatever a path is, each front end gives the same answer, and no file but those of /static/."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest

from tests.echo import echo
from tests.stacks import Stack
from tests.wire import Place, request

pytestmark = pytest.mark.front_end

# What stands after /test/echo/ reaches the app as it was sent, with its escapes undone once.
ARRIVES = {
    "escaped slash": "a%2Fb",
    "escaped slash, small": "a%2fb",
    "two slashes": "a//b",
    "three slashes at the end": "a///",
    "dot": "a/./b",
    "dots": "a/../b",
    "escaped dots": "a/%2e%2e/b",
    "half escaped dots": "a/.%2E/b",
    "dots and escaped slash": "a/..%2Fb",
    "dot at the end": "a/.",
    "many dots": "a/.../b",
    "UTF-8, escaped": "caf%C3%A9",
    "no UTF-8, escaped": "%FF%FE",
    "overlong UTF-8": "%C0%AE%C0%AE/x",
    "tab": "a%09b",
    "delete": "a%7Fb",
    "space": "a%20b",
    "plus": "a+b",
    "percent": "100%25",
    "escaped twice": "%252e%252e%252f",
    "question mark": "a%3Fb",
    "hash": "a%23b",
    "semicolon": "a;b=c",
    "backslash": "a%5Cb",
    "backslash, raw": "a\\b",
    "dots and backslash": "..%5C..%5Cb",
    "colon": "C:/x",
    "quotes": "a%22b'c",
    "RFC 3986's others": "!$&'()*,=@:~-._",
    "wrongly unescaped": "a|b^c`d{e}f[g]",
    "dotfile": ".env",
    "script": "index.php/x",
    "CGI": "app.wsgi",
    "7,900 bytes": "x" * 7900,
    "2,000 folders": "x/" * 2000,
}


@pytest.mark.production
@pytest.mark.parametrize("rest", ARRIVES.values(), ids=ARRIVES.keys())
def test_T5_path_arrives_as_it_was_sent(place: Place, rest: str) -> None:
    seen = echo(place, start=f"GET /test/echo/{rest} HTTP/1.1")
    sent = unquote_to_bytes(rest.encode("latin-1")).decode("latin-1")
    assert (seen["script_name"], seen["path_info"]) == ("", f"/test/echo/{sent}")
    assert "X-Evil" not in seen.answer


QUERIES = {
    "none": "",
    "empty": "?",
    "escaped": "?a=%2F&b=%00&c=%0A&d=%C3%A9&e=%25",
    "broken escape": "?a=%zz&b=%",
    "question marks": "?a=b?c=d",
    "dots": "?../../etc/passwd",
    "double": "?a=1&a=2&&=",
    "semicolon": "?a;b",
    "plus": "?a=b+c",
    "brackets": "?a[]=b&{c}=|d^",
    "backslash and quotes": "?a=\\\"'`",
    "6,000 bytes": "?a=" + "b" * 6000,
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_T5_query_arrives_as_it_was_sent(place: Place, query: str) -> None:
    assert echo(place, start=f"GET /test/echo{query} HTTP/1.1")["query_string"] == query[1:]


# These are no paths (RFC 3986): refused by the front end, or not found, and no view runs.
REFUSED = {
    "NUL": "/test/echo/a%00b",
    "NUL at the end": "/test/echo%00",
    "NUL in static": "/static/site.css%00.png",
    "no slash": "test/echo",
    "dot": "./test/echo",
    "up from the root": "/../test/echo",
    "up and up": "/../../../../etc/passwd",
    "up, escaped": "/%2e%2e/%2e%2e/etc/passwd",
    "control byte": "/test/echo/a\x01b",
    "NUL byte": "/test/echo/a\x00b",
    "broken escape": "/test/echo/%zz",
    "half escape": "/test/echo/%4",
    "percent": "/test/echo/%",
    "IIS's escape": "/test/echo/%u0041",
    "fragment": "/test/echo/a#b",
    "fragment in the query": "/test/echo?a#b",
    "UTF-8, raw": "/test/echo/caf\xc3\xa9",
    "UTF-8 in the query, raw": "/test/echo?caf\xc3\xa9",
    "no UTF-8, raw": "/test/echo/\xff\xfe",
    "no UTF-8 in the query, raw": "/test/echo?\xff\xfe",
    "star": "*",
    "space": "/test/echo/a b",
}


@pytest.mark.production
@pytest.mark.parametrize("target", REFUSED.values(), ids=REFUSED.keys())
def test_T5_what_is_no_path_is_refused(place: Place, target: str) -> None:
    answers = place.say(request(f"GET {target} HTTP/1.1", f"Host: {place.host}", "Connection: close"))
    assert [answer.status in {400, 404} for answer in answers] == [True]
    assert "script_name" not in answers[0].text
    assert "root:" not in answers[0].text


# The app finds none of these, or sends to the tidy path on this very host.
NOT_FOUND = {
    "up to a view": "/static/../test/echo",
    "up to a view, escaped": "/static/%2e%2e/test/echo",
    "up to a view by escaped slash": "/static/..%2ftest/echo",
    "a view's folder": "/test/echo/../../static/",
    "no such page": "/no-such-page",
    "dots to a view": "/no-such-page/../test/echo",
    "other case": "/TEST/ECHO",
    "other case of static": "/STATIC/site.css",
    "space before": "/%20test/echo",
    "newline": "/test/echo%0A",
    "CR LF": "/test/echo%0D%0AX-Evil:%20yes",
    "folder that is a file": "/static/site.css/",
    "path behind a file": "/static/site.css/x",
}


@pytest.mark.production
@pytest.mark.parametrize("target", NOT_FOUND.values(), ids=NOT_FOUND.keys())
def test_T5_path_is_not_tidied_until_it_fits(place: Place, target: str) -> None:
    """Who writes rules for a path must be able to rely on it."""
    answer = place.ask(request(f"GET {target} HTTP/1.1", f"Host: {place.host}"))
    assert answer.status in {400, 404}
    assert "X-Evil" not in answer


@pytest.mark.production
@pytest.mark.parametrize("target", ["//test/echo", "///test/echo", "/%2Ftest/echo"])
def test_T5_slashes_at_the_start_arrive(place: Place, target: str) -> None:
    assert echo(place, start=f"GET {target} HTTP/1.1")["path_info"] == target.replace("%2F", "/")


@pytest.mark.parametrize("target", ["/test//echo", "//test//echo", "//evil.example//"])
def test_T5_two_slashes_lead_to_no_other_host(place: Place, target: str) -> None:
    """Flask redirects to the path with one slash; a Location of //evil.example would be that host."""
    answer = place.ask(request(f"GET {target} HTTP/1.1", f"Host: {place.host}"))
    assert answer.status in {308, 404}
    for location in answer.all("Location"):
        assert location.removeprefix(place.url.rstrip("/")) == "/test/echo"


TRAVERSALS = [
    "../app/config.py",
    "../../etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2fetc/passwd",
    "..%5c..%5cetc/passwd",
    "%252e%252e/%252e%252e/etc/passwd",
    "....//....//etc/passwd",
    "%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "vendor/../../app/config.py",
    "vendor/%2e%2e/%2e%2e/app/config.py",
    "./../../etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "site.css/../../app/config.py",
    "..;/..;/etc/passwd",
    "~root/",
    "%00/../../etc/passwd",
    "vendor/../../static/../app/config.py",
    "../errors/404.html",
    "../srv/app/app/config.py",
]


@pytest.mark.front_end
@pytest.mark.parametrize("prefix", ["/static/", "/static//", "/static/./", "//static/", "/static"])
@pytest.mark.parametrize("rest", TRAVERSALS)
def test_T5_no_file_outside_static_is_served(place: Place, prefix: str, rest: str) -> None:
    answer = place.ask(request(f"GET {prefix}{rest} HTTP/1.1", f"Host: {place.host}"))
    assert answer.status in {301, 308, 400, 403, 404}
    assert "root:x:" not in answer.text
    assert "class Settings" not in answer.text
    for location in answer.all("Location"):
        assert not location.removeprefix(place.url).startswith(("//", "http"))


@pytest.mark.production
def test_T5_error_pages_have_no_address(stack: Stack) -> None:
    for target in (
        "/errors/404.html",
        "/errors/502.json",
        "/_errors/404.html",
        "/error-page",
        "/srv/errors/404.html",
    ):
        answer = Place(stack.base_url).ask(request(f"GET {target} HTTP/1.1", "Host: localhost"))
        assert answer.status == 404, target


@pytest.mark.production
@pytest.mark.parametrize("mime", ["text/html", "application/json"])
def test_T5_address_of_apaches_error_pages_is_the_apps_for_visitors(stack: Stack, mime: str) -> None:
    asked = request("GET /error-page HTTP/1.1", "Host: localhost", f"Accept: {mime}")
    answer = Place(stack.base_url).ask(asked)
    assert answer.status == 404
    assert "script-src" in answer["content-security-policy"]  # which no front end's own page has
