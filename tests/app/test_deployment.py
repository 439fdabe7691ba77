"""Chapter deployment, in process."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree

import pytest

from app import create_app
from app.config import Settings

URL = "/deployment/"
SVG = "{http://www.w3.org/2000/svg}"


def picture(settings: Settings) -> ElementTree.Element:
    found = re.search(r"<svg class=.*?</svg>", create_app(settings).test_client().get(URL).text, re.S)
    assert found
    return ElementTree.fromstring(found[0].replace("<svg", f'<svg xmlns="{SVG[1:-1]}"', 1))


@pytest.mark.parametrize("front_end", ["nginx", "apache", "lighttpd"])
def test_picture_shows_the_way_of_a_request(settings: Settings, front_end: str) -> None:
    svg = picture(replace(settings, front_end=front_end, transport="HTTP & a <socket>", server="gunicorn"))
    assert [text.text for text in svg.iter(f"{SVG}text")] == [
        "Browser",
        "the client",
        "HTTP",
        front_end,
        "front end: TLS, static files, limits",
        "HTTP & a <socket>",
        "gunicorn",
        "application server",
        "WSGI",
        "app.wsgi:application",
        f"this application, process {os.getpid()}",
    ]
    assert svg.attrib["role"] == "img"
    assert (
        f"to {front_end} (front end: TLS, static files, limits), by HTTP & a <socket>"
        in svg.attrib["aria-label"]
    )


def test_without_a_front_end_the_picture_has_none(settings: Settings) -> None:
    svg = picture(replace(settings, front_end="none", transport="HTTP over TCP", server="flask run"))
    names = [text.text for text in svg.iter(f"{SVG}text")]
    assert names[:4] == ["Browser", "the client", "HTTP over TCP", "flask run"]
    assert "none" not in names


def test_on_a_hosted_platform_its_proxy_is_the_front_end(settings: Settings) -> None:
    hosted = replace(settings, proxy_hops=1, transport="HTTP over TCP", server="gunicorn")
    names = [text.text for text in picture(hosted).iter(f"{SVG}text")]
    assert names[2:7] == [
        "HTTP",
        "Hosted platform",
        "its proxy: TLS, names, limits",
        "HTTP over TCP",
        "gunicorn",
    ]
    assert "<code>docs/hosted.md</code>" in create_app(hosted).test_client().get(URL).text


@pytest.mark.parametrize("front_end", ["nginx", "apache", "lighttpd"])
def test_the_file_to_copy_is_the_front_end_s(settings: Settings, front_end: str) -> None:
    text = create_app(replace(settings, front_end=front_end)).test_client().get(URL).text
    assert f"<code>{front_end}/README.md</code>" in text


def test_there_is_nothing_to_copy_of_the_development_server(settings: Settings) -> None:
    text = create_app(replace(settings, server="flask run")).test_client().get(URL).text
    assert "None: this is the development server." in text
    assert "README.md</code> says" not in text


def test_flags_of_the_server_are_shown_and_no_more(settings: Settings) -> None:
    environ = {
        "wsgi.multithread": True,
        "SERVER_SOFTWARE": "<b>Server</b>",
        "HTTP_AUTHORIZATION": "Basic c2VjcmV0",
    }
    text = create_app(settings).test_client().get(URL, environ_overrides=environ).text
    rows = dict(re.findall(r'<th scope="row"><code>([^<]+)</code></th><td>([^<]*)</td>', text))
    assert list(rows) == [
        "wsgi.version",
        "wsgi.url_scheme",
        "wsgi.multithread",
        "wsgi.multiprocess",
        "wsgi.run_once",
        "SERVER_SOFTWARE",
        "SERVER_PROTOCOL",
    ]
    assert rows["wsgi.multithread"] == "True"
    assert unescape(rows["SERVER_SOFTWARE"]) == "<b>Server</b>"
    assert "c2VjcmV0" not in text
