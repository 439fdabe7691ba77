"""Chapter Sijax, through the front end."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.site import Site

URL = "/sijax/hello"


def call(site: Site, function: str, *arguments: object, **options: Any) -> requests.Response:
    """Call as jQuery does, with the token in a header."""
    data = {"sijax_rq": function, "sijax_args": json.dumps(arguments)}
    return site.post(URL, data=data, headers={"X-CSRFToken": site.token(URL)}, **options)


def test_say_hi_alerts(site: Site) -> None:
    response = call(site, "say_hi")
    assert response.status_code == 200
    assert response.json() == [{"type": "alert", "alert": "Hi there!"}]


def test_a_message_is_appended_escaped(site: Site) -> None:
    assert call(site, "add_message", "<b>é").json()[0]["html"] == "<li>&lt;b&gt;é</li>"


def test_64_requests_at_once_get_their_own_answers(site: Site) -> None:
    """Flask-Sijax, unmended, gives one visitor another's answer."""
    texts = [str(uuid4()) for _ in range(64)]

    def ask(text: str) -> str:
        visitor = Site(site.base_url)
        return str(call(visitor, "add_message", text).json()[0]["html"])

    with ThreadPoolExecutor(64) as pool:
        assert list(pool.map(ask, texts)) == [f"<li>{text}</li>" for text in texts]


def test_C1_comet_answer_arrives_piece_by_piece(site: Site) -> None:
    token = site.token(URL)
    data = {"sijax_rq": "count", "sijax_args": "[]", "csrf_token": token}
    begin = time.monotonic()
    with site.post(URL, data=data, stream=True) as response:
        assert response.status_code == 200
        pieces = [(time.monotonic() - begin, piece) for piece in response.iter_content(None) if piece]
    steps = re.findall(r"Step (\d) of 5", b"".join(piece for _, piece in pieces).decode())
    assert steps == ["0", "1", "2", "3", "4", "5"]
    first, last = pieces[0][0], pieces[-1][0]
    assert last - first > 0.5
    assert len(pieces) >= 3


def test_upload_says_what_arrived(site: Site) -> None:
    content = bytes(range(256)) * 4000
    data = {"sijax_rq": "upload_upload", "sijax_args": '["upload"]'}
    response = site.submit(URL, URL, data, files={"file": ("a.bin", content)})
    assert response.status_code == 200
    assert f"a.bin: {len(content)} bytes, SHA-256 {sha256(content).hexdigest()}" in response.text


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("nothing", "[]"),
        ("say_hi", "{"),
        ("say_hi", "[1]"),
        ("add_message", "[null]"),
        ("count", "[1]"),
        ("upload_upload", "[]"),
    ],
)
def test_a_call_that_cannot_be_made_is_400(site: Site, function: str, arguments: str) -> None:
    data = {"sijax_rq": function, "sijax_args": arguments}
    assert site.submit(URL, URL, data).status_code == 400


@pytest.mark.parametrize("function", ["say_hi", "count"])
def test_without_the_token_no_function_is_called(site: Site, function: str) -> None:
    response = site.post(URL, data={"sijax_rq": function, "sijax_args": "[]"})
    assert response.status_code == 400
    assert "Hi there!" not in response.text


@pytest.mark.parametrize(
    "name", ["jquery.min.js", "sijax/sijax.js", "sijax/sijax_comet.js", "sijax/sijax_upload.js"]
)
def test_library_scripts_are_served(site: Site, name: str) -> None:
    response = site.get(f"/static/vendor/{name}")
    assert response.status_code == 200
    assert "javascript" in response.headers["Content-Type"]
