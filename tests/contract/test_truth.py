"""Rows R1, T1, T2, T5, T7 as any visitor of the guide can see them: `make smoke` asks this of any stack."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest

from tests.profiles import PROFILES
from tests.site import Site
from tests.wire import Place, request

SPOOFED = "203.0.113.7"


def inspect(site: Site, **headers: str) -> dict[str, str]:
    """Return what the app sees of a request of ours."""
    response = site.get("/request/inspect", headers={"Accept": "application/json", **headers})
    assert response.status_code == 200
    seen: dict[str, str] = response.json()
    return seen


def test_R1_page_names_what_served_it(site: Site, profile: str) -> None:
    expected = PROFILES[profile]
    line = re.search(r'id="served-by">(.*?)</small>', site.get("/").text, re.S)
    assert line
    front_end, transport, server, pid = re.findall(r"<b>(.*?)</b>", line[1])
    assert (front_end, transport, server) == (expected.front_end, expected.transport, expected.server)
    assert int(pid) > 0


def test_T1_app_sees_the_address_that_the_client_used(site: Site) -> None:
    seen = inspect(site)
    url = urlsplit(site.base_url)
    assert (seen["scheme"], seen["host"], seen["root"]) == (url.scheme, url.netloc, site.base_url)
    assert seen["url"] == f"{site.base_url}request/inspect"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Forwarded-For", SPOOFED),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "4711"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Real-IP", SPOOFED),
        ("Forwarded", f"for={SPOOFED};proto=gopher;host=evil.example"),
    ],
)
def test_T2_forwarded_headers_of_a_client_are_not_believed(site: Site, header: str, value: str) -> None:
    honest = inspect(site)
    assert inspect(site, **{header: value}) == honest


@pytest.mark.parametrize(
    ("sent", "arrives"), [("%0A", "\n"), ("%25", "%"), ("%C3%A9", "é"), ("a%2Fb", "a/b")]
)
def test_T5_escapes_in_the_query_are_undone_once(site: Site, sent: str, arrives: str) -> None:
    response = site.get(f"/request/inspect?x={sent}", headers={"Accept": "application/json"})
    assert json.loads(response.text)["args"] == {"x": [arrives]}


@pytest.mark.parametrize(
    "path",
    ["/icons/apache_pb.png", "/icons/", "/server-status", "/cgi-bin/x", "/index.html"],
)
def test_T5_servers_own_addresses_are_the_apps(site: Site, path: str) -> None:
    response = site.get(path)
    assert response.status_code == 404
    assert 'id="served-by"' in response.text


@pytest.mark.production
def test_L5_connection_serves_more_than_a_hundred_requests(site: Site) -> None:
    place = Place(site.base_url)
    with place.connect() as wire:
        for number in range(120):
            wire.send(request(f"GET {place.prefix}/static/icon.svg HTTP/1.1", f"Host: {place.host}"))
            answer = wire.answer()
            assert answer, f"closed after {number} requests"
            assert answer.status == 200


def test_T7_upgrade_to_http_2_without_tls_is_passed_over(site: Site) -> None:
    headers = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABkAAQAAP__",
    }
    assert site.get("/application/hello", headers=headers, timeout=5).text == "Hello World"


def test_T7_head_of_what_could_be_compressed_has_the_length_of_get(site: Site) -> None:
    headers = {"Accept-Encoding": "gzip"}
    assert site.head("/application/hello", headers=headers).headers["Content-Length"] == "11"
    assert site.get("/application/hello", headers=headers).headers["Content-Length"] == "11"
