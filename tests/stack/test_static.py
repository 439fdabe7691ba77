"""Rows S1 and S4: static files come from the front end's own image, and only those meant for visitors."""

from __future__ import annotations

import io
import tarfile

import pytest
import requests

from tests.profiles import ROOT
from tests.stacks import Stack, until
from tests.wire import Place, request

pytestmark = [pytest.mark.production, pytest.mark.shared]
FOLDERS = ["", "traps", "traps/", "traps/.well/", "traps/.well", "vendor/", "vendor/sijax"]
TRAPS = ROOT / "tests/static-traps"
FILES = sorted(str(path.relative_to(TRAPS)) for path in TRAPS.rglob("*") if path.is_file())


def test_S1_static_is_served_while_the_app_is_stopped(stack: Stack) -> None:
    with stack.app_stopped():
        with pytest.raises(requests.Timeout):
            stack.site.get("/application/hello", timeout=1)
        for site in (stack.site, stack.tls_site):
            assert site.get("/static/site.css", timeout=5).ok
            assert site.get("/static/vendor/jquery.min.js", timeout=5).ok
            assert site.get("/static/no-such-file", timeout=5).status_code == 404
    until(lambda: stack.site.get("/application/hello").ok, "the app answers again")


def test_S1_static_files_are_those_of_the_image(stack: Stack) -> None:
    """In no volume, which would keep those of the version before."""
    container = stack.docker.containers.create(stack.image(stack.front))
    try:
        pieces, _ = container.get_archive("/srv/static")
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
            files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
            baked = {name: file.read() for name, file in files.items() if file}
    finally:
        container.remove()
    for name in ("site.css", "icon.svg", "vendor/jquery.min.js"):
        served = Place(stack.base_url).ask(request(f"GET /static/{name} HTTP/1.1", "Host: localhost"))
        assert served.body == baked[f"static/{name}"]


def test_S4_what_is_meant_for_visitors_is_served(stack: Stack) -> None:
    """The traps are where the front end looks: one of them is no trap."""
    assert stack.site.get("/static/traps/ok.css").ok


@pytest.mark.parametrize("coding", ["identity", "gzip", "br", "zstd"])
def test_S3_file_without_compressed_copies_is_served_as_it_is(place: Place, coding: str) -> None:
    lines = f"Host: {place.host}", f"Accept-Encoding: {coding}"
    answer = place.ask(request("GET /static/traps/ok.css HTTP/1.1", *lines))
    assert answer.status == 200
    assert answer.body == (TRAPS / "ok.css").read_bytes()


@pytest.mark.parametrize("coding", ["identity", "gzip", "br"])
@pytest.mark.parametrize("name", [name for name in FILES if name not in {"index.html", "ok.css"}])
def test_S4_what_came_along_is_not_found(place: Place, name: str, coding: str) -> None:
    ways = [
        f"/static/traps/{name}",
        f"/static//traps/{name}",
        f"/static/./traps/{name}",
        f"/static/traps/%2e/{name}",
        f"/static/vendor/../traps/{name}",
        f"/static/traps/{name}?x=.css",
        "/static/traps/" + "".join(f"%{byte:02x}" for byte in name.encode()),
    ]
    for way in ways:
        lines = f"Host: {place.host}", f"Accept-Encoding: {coding}"
        answer = place.ask(request(f"GET {way} HTTP/1.1", *lines))
        assert answer.status in ({404} if way == ways[0] else {400, 404}), way
        assert b"trap:" not in answer.body


@pytest.mark.parametrize("path", FOLDERS)
def test_S4_folder_is_not_listed(place: Place, path: str) -> None:
    answer = place.ask(request(f"GET /static/{path} HTTP/1.1", f"Host: {place.host}"))
    assert answer.status == 404
    assert "Location" not in answer
