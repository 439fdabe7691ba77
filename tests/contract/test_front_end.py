"""What every front end does alike, seen by a client: truth about the request, bodies, streams, static."""

from __future__ import annotations

import http.client
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


def test_body_over_the_limit_is_refused(site: Site) -> None:
    files = {"file": ("big.bin", b"\0" * (11 * 1024 * 1024))}
    try:
        status = site.submit("/uploads/upload", "/uploads/uploader", files=files).status_code
    except OSError:  # refused so early that the client was still sending
        status = 413
    assert status == 413
    assert "big.bin" not in site.get("/uploads/upload").text


def test_body_of_almost_the_limit_is_taken(site: Site) -> None:
    files = {"file": ("nearly.bin", b"\0" * (10 * 1024 * 1024 - 10_000))}
    assert site.submit("/uploads/upload", "/uploads/uploader", files=files).ok


def test_head_has_the_headers_and_no_body(site: Site) -> None:
    get, head = site.get("/application/hello"), site.head("/application/hello")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@contextmanager
def raw_get(site: Site, target: str, version: str = "HTTP/1.1") -> Iterator[http.client.HTTPResponse]:
    """Ask for `target` as it is written: requests would tidy it."""
    connection = http.client.HTTPConnection(urlsplit(site.base_url).netloc, timeout=10)
    connection._http_vsn_str = version  # type: ignore[attr-defined]
    with closing(connection):
        connection.request("GET", target)
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
