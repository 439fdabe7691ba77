"""What every front end does alike, seen by a client: truth about the request, bodies, streams, static."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from tests.profiles import PROFILES
from tests.site import Site

SPOOFED = "203.0.113.7"


def inspect(site: Site, **headers: str) -> dict[str, str]:
    """Return what the app sees of a request of ours."""
    response = site.get("/request/inspect", headers={"Accept": "application/json", **headers})
    assert response.status_code == 200
    seen: dict[str, str] = response.json()
    return seen


def test_page_names_what_served_it(site: Site, profile: str) -> None:
    expected = PROFILES[profile]
    line = re.search(r'id="served-by">(.*?)</small>', site.get("/").text, re.S)
    assert line
    front_end, transport, server, pid = re.findall(r"<b>(.*?)</b>", line[1])
    assert (front_end, transport, server) == (expected.front_end, expected.transport, expected.server)
    assert int(pid) > 0


def test_app_sees_the_address_that_the_client_used(site: Site) -> None:
    seen = inspect(site)
    url = urlsplit(site.base_url)
    assert (seen["scheme"], seen["host"], seen["root"]) == (url.scheme, url.netloc, site.base_url)
    assert seen["url"] == f"{url.scheme}://{url.netloc}/request/inspect"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Forwarded-For", SPOOFED),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "4711"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Real-IP", SPOOFED),
        ("Forwarded", f"for={SPOOFED};proto=https;host=evil.example"),
    ],
)
def test_forwarded_headers_of_a_client_are_not_believed(site: Site, header: str, value: str) -> None:
    honest = inspect(site)
    assert inspect(site, **{header: value}) == honest


def test_redirect_keeps_the_port(site: Site) -> None:
    location = site.get("/variables/python").headers["Location"]
    assert location in {"/variables/python/", f"{site.base_url}variables/python/"}


def test_chunked_body_arrives_whole(site: Site) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(10):
            yield b"x" * 800

    headers = {"X-CSRFToken": site.token("/methods/"), "Content-Type": "text/plain"}
    put = site.put("/methods/item/chunked", data=pieces(), headers=headers)
    assert put.status_code in {200, 201, 204}
    assert site.get("/methods/item/chunked").text == "x" * 8000


def test_head_has_the_headers_and_no_body(site: Site) -> None:
    get, head = site.get("/application/hello"), site.head("/application/hello")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


def test_head_of_what_could_be_compressed_has_the_length_of_get(site: Site) -> None:
    headers = {"Accept-Encoding": "gzip"}
    get = site.get("/application/hello", headers=headers)
    assert site.head("/application/hello", headers=headers).headers["Content-Length"] == "11"
    assert get.headers["Content-Length"] == "11"


def test_authorization_reaches_the_app(site: Site) -> None:
    assert inspect(site)["authorization"] is None
    assert inspect(site, Authorization="Basic YTpi")["authorization"] == "basic"


def test_trace_is_refused(site: Site) -> None:
    assert site.request("TRACE", "/").status_code == 405


@pytest.mark.production
def test_server_names_no_version(site: Site) -> None:
    for path in ("/", "/static/site.css", "/static/no-such-file"):
        assert not re.search(r"\d", site.get(path).headers["Server"]), path


@pytest.mark.parametrize(
    ("sent", "arrives"), [("%0A", "\n"), ("%25", "%"), ("%C3%A9", "é"), ("a%2Fb", "a/b")]
)
def test_escapes_in_the_query_reach_the_app(site: Site, sent: str, arrives: str) -> None:
    with raw_get(site, f"/request/inspect?x={sent}", Accept="application/json") as response:
        assert json.load(response)["args"] == {"x": [arrives]}


def test_escaped_slash_in_the_path_reaches_the_app(site: Site) -> None:
    with raw_get(site, "/variables/path/a%2Fb") as response:
        assert response.read().endswith(b"a/b")


@pytest.mark.parametrize(
    "path", ["/icons/apache_pb.png", "/icons/", "/server-status", "/cgi-bin/x", "/index.html"]
)
def test_servers_own_addresses_are_the_apps(site: Site, path: str) -> None:
    response = site.get(path)
    assert response.status_code == 404
    assert 'id="served-by"' in response.text


@pytest.mark.production
def test_connection_serves_more_than_a_hundred_requests(site: Site) -> None:
    connection = http.client.HTTPConnection(urlsplit(site.base_url).netloc, timeout=10)
    with closing(connection):
        for number in range(120):
            connection.request("GET", "/static/icon.svg")
            with connection.getresponse() as response:
                assert response.read()
                assert not response.will_close, f"closed after {number} requests"


def test_upgrade_to_http_2_without_tls_is_passed_over(site: Site) -> None:
    headers = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABkAAQAAP__",
    }
    assert site.get("/application/hello", headers=headers, timeout=5).text == "Hello World"


@contextmanager
def raw_get(
    site: Site, target: str, version: str = "HTTP/1.1", **headers: str
) -> Iterator[http.client.HTTPResponse]:
    """Ask for `target` as it is written: requests would tidy it."""
    connection = http.client.HTTPConnection(urlsplit(site.base_url).netloc, timeout=10)
    connection._http_vsn_str = version  # type: ignore[attr-defined]
    with closing(connection):
        connection.request("GET", target, headers=headers)
        with connection.getresponse() as response:
            yield response


def test_http_1_0_is_answered(site: Site) -> None:
    with raw_get(site, "/application/hello", "HTTP/1.0") as response:
        assert (response.status, response.read()) == (200, b"Hello World")


@pytest.mark.parametrize(
    ("path", "mime"),
    [
        ("site.css", "text/css"),
        ("hello.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
        ("vendor/pico.classless.min.css", "text/css"),
        ("vendor/jquery.min.js", "text/javascript"),
        ("vendor/sijax/sijax.js", "text/javascript"),
    ],
)
def test_static_file_has_its_type(site: Site, path: str, mime: str) -> None:
    response = site.get(f"/static/{path}")
    assert response.status_code == 200
    assert response.headers["Content-Type"].split(";")[0] in {mime, mime.replace("text/", "application/")}


@pytest.mark.parametrize(
    "path",
    ["no-such-file.css", "", "vendor/", "../app/config.py", "%2e%2e/app/config.py", "..%2fapp/config.py"],
)
def test_static_gives_nothing_but_its_files(site: Site, path: str) -> None:
    with raw_get(site, f"/static/{path}") as response:
        assert response.status in {400, 403, 404}
        assert b"class Settings" not in response.read()


def test_unchanged_static_file_is_not_sent_again(site: Site) -> None:
    first = site.get("/static/site.css")
    again = site.get("/static/site.css", headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert again.status_code == 304
