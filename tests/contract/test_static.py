"""Rows S2 to S4: what lies below /static/, how long a browser may keep it, and how small it travels."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

import brotli
import pytest
import zstandard

from tests.site import Site
from tests.wire import Answer, Place, request

DECODE = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}
TYPES = {
    "site.css": "text/css",
    "hello.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "vendor/pico.classless.min.css": "text/css",
    "vendor/jquery.min.js": "text/javascript",
    "vendor/sijax/sijax.js": "text/javascript",
}


@pytest.fixture
def place(base_url: str) -> Place:
    return Place(base_url)


def ask(place: Place, path: str, *lines: str, method: str = "GET") -> Answer:
    return place.ask(
        request(f"{method} {place.prefix}{path} HTTP/1.1", f"Host: {place.host}", *lines), method
    )


def listed(answer: Answer, name: str) -> set[str]:
    """Return the members of a header that is a list."""
    return {member.strip().lower() for value in answer.all(name) for member in value.split(",")}


def fingerprinted(place: Place) -> str:
    """Return the address of the style sheet as pages name it."""
    found = re.search(r"/static/site-[0-9a-f]{32}\.css", ask(place, "/").text)
    assert found, "pages name no fingerprinted style sheet"
    return found[0]


# ---- S2: types, caches, parts ----


@pytest.mark.parametrize(("name", "mime"), TYPES.items())
def test_S2_file_has_its_type_and_charset(place: Place, name: str, mime: str) -> None:
    answer = ask(place, f"/static/{name}")
    assert answer.status == 200
    found, _, charset = answer["Content-Type"].partition(";")
    assert found in {mime, mime.replace("text/java", "application/java")}
    assert charset.strip().lower() == "charset=utf-8" or not mime.startswith("text/")


@pytest.mark.production
def test_S2_fingerprinted_file_is_kept_for_ever(place: Place) -> None:
    """Its name changes with its content."""
    for coding in ("identity", "gzip", "br"):
        answer = ask(place, fingerprinted(place), f"Accept-Encoding: {coding}")
        assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Expires" not in answer


@pytest.mark.production
def test_S2_missing_fingerprinted_file_is_not_kept(place: Place) -> None:
    """It may be there in a moment: a release comes into service one machine after another."""
    answer = ask(place, f"/static/site-{'0' * 32}.css")
    assert answer.status == 404
    assert "immutable" not in "".join(answer.all("Cache-Control"))


@pytest.mark.production
def test_S2_fingerprinted_file_is_the_file_itself(place: Place) -> None:
    assert ask(place, fingerprinted(place)).body == ask(place, "/static/site.css").body


@pytest.mark.parametrize("name", TYPES)
def test_S2_other_files_are_asked_for_again(place: Place, name: str) -> None:
    answer = ask(place, f"/static/{name}")
    assert answer["Cache-Control"] == "no-cache"
    assert answer["ETag"]
    assert parsedate_to_datetime(answer["Last-Modified"])


@pytest.mark.parametrize("coding", ["identity", "gzip", "br"])
def test_S2_unchanged_file_is_not_sent_again(place: Place, coding: str) -> None:
    accept = f"Accept-Encoding: {coding}"
    first = ask(place, "/static/site.css", accept)
    tag = first["ETag"]
    for condition in (
        f"If-None-Match: {tag}",
        f'If-None-Match: "other", {tag}',
        "If-None-Match: *",
        f"If-None-Match: W/{tag.removeprefix('W/')}",
        f"If-Modified-Since: {first['Last-Modified']}",
    ):
        again = ask(place, "/static/site.css", accept, condition)
        assert (condition, again.status, again.body) == (condition, 304, b"")
        assert again["ETag"] == tag
        assert again["Cache-Control"] == first["Cache-Control"]
        assert "Content-Type" not in again or again["Content-Type"] == first["Content-Type"]


def test_S2_changed_file_is_sent(place: Place) -> None:
    first = ask(place, "/static/site.css")
    before = format_datetime(parsedate_to_datetime(first["Last-Modified"]) - timedelta(days=1), usegmt=True)
    for condition in (
        'If-None-Match: "other"',
        f"If-Modified-Since: {before}",
        "If-Modified-Since: yesterday",
    ):
        again = ask(place, "/static/site.css", condition)
        assert (condition, again.status, again.body) == (condition, 200, first.body)


def test_S2_tag_goes_before_the_date(place: Place) -> None:
    """Two releases in one second have one date, but not one tag (RFC 9110, 13.2.2)."""
    date = ask(place, "/static/site.css")["Last-Modified"]
    lines = 'If-None-Match: "other"', f"If-Modified-Since: {date}"
    assert ask(place, "/static/site.css", *lines).status == 200


@pytest.mark.parametrize(
    ("asked", "part"),
    [("0-9", slice(0, 10)), ("10-", slice(10, None)), ("-5", slice(-5, None)), ("3-3", slice(3, 4))],
)
def test_S2_range_is_a_part(place: Place, asked: str, part: slice) -> None:
    whole = ask(place, "/static/site.css").body
    answer = ask(place, "/static/site.css", f"Range: bytes={asked}")
    assert (answer.status, answer.body) == (206, whole[part])
    start, end, _ = part.indices(len(whole))
    assert answer["Content-Range"] == f"bytes {start}-{end - 1}/{len(whole)}"
    assert answer["ETag"]


def test_S2_range_behind_the_end_is_refused(place: Place) -> None:
    size = len(ask(place, "/static/site.css").body)
    answer = ask(place, "/static/site.css", "Range: bytes=999999-")
    assert answer.status == 416
    assert answer.all("Content-Range") in ([f"bytes */{size}"], [])  # "should", RFC 9110, 15.5.17


@pytest.mark.parametrize("asked", ["bytes=9-0", "bytes=x-y", "bytes", "lines=0-1", "bytes=--1", "bytes=0-9;"])
def test_S2_nonsense_for_a_range_harms_nobody(place: Place, asked: str) -> None:
    answer = ask(place, "/static/site.css", f"Range: {asked}")
    assert answer.status in {200, 400, 416}


def test_S2_many_ranges_do_not_multiply_the_file(place: Place) -> None:
    """As the Range header attack on httpd did (CVE-2011-3192)."""
    size = len(ask(place, "/static/site.css").body)
    answer = ask(place, "/static/site.css", "Range: bytes=" + ",".join(["0-"] * 1000))
    assert answer.status in {200, 206, 416}
    assert len(answer.body) <= 2 * size


def test_S2_part_of_another_version_is_not_mixed_in(place: Place) -> None:
    whole = ask(place, "/static/site.css")
    old = ask(place, "/static/site.css", "Range: bytes=0-9", 'If-Range: "other"')
    assert (old.status, old.body) == (200, whole.body)
    if not whole["ETag"].startswith("W/"):
        same = ask(place, "/static/site.css", "Range: bytes=0-9", f"If-Range: {whole['ETag']}")
        assert (same.status, same.body) == (206, whole.body[:10])


# ---- S3: compressed ----


@pytest.mark.production
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("name", ["site.css", "vendor/jquery.min.js", "icon.svg"])
def test_S3_compressed_copy_is_served(place: Place, name: str, coding: str) -> None:
    plain = ask(place, f"/static/{name}")
    answer = ask(place, f"/static/{name}", f"Accept-Encoding: {coding}")
    assert answer["Content-Type"] == plain["Content-Type"]
    assert "Content-Language" not in answer  # "br" is Breton, too
    assert "accept-encoding" in listed(plain, "Vary")
    assert "accept-encoding" in listed(answer, "Vary")
    # Made once, at the build: its length is known.
    assert len(answer.body) == int(answer["Content-Length"])
    if coding == "zstd" and "Content-Encoding" not in answer:
        assert answer.body == plain.body  # a server may not have it
        return
    assert answer["Content-Encoding"] == coding
    assert DECODE[coding](answer.body) == plain.body
    assert len(answer.body) < len(plain.body)


@pytest.mark.production
def test_S3_tags_of_copies_differ(place: Place) -> None:
    """A cache must not take one for the other; a weak tag says no more than that they mean the same."""
    tags = [
        ask(place, "/static/site.css", f"Accept-Encoding: {coding}")["ETag"]
        for coding in ("identity", "gzip", "br")
    ]
    assert len(set(tags)) == 3 or all(tag.startswith("W/") for tag in tags)


@pytest.mark.production
@pytest.mark.parametrize(
    ("accepted", "codings"),
    [
        ("", {None}),
        ("identity", {None}),
        ("deflate", {None}),
        ("gzip;q=0", {None}),
        ("br;q=0, gzip", {"gzip"}),
        ("gzip;q=0, br", {"br"}),
        ("br;q=0.0, gzip;q=0.000", {None}),
        ("gzip, deflate, br, zstd", {"br", "zstd"}),
        ("GZIP", {"gzip"}),
        ("xgzip, brx", {None}),
    ],
)
@pytest.mark.parametrize("path", ["/static/site.css", "/"])
def test_S3_coding_is_one_that_the_client_takes(
    place: Place, path: str, accepted: str, codings: set[str | None]
) -> None:
    answer = ask(place, path, f"Accept-Encoding: {accepted}")
    found = next(iter(answer.all("Content-Encoding")), None)
    assert found in codings
    body = DECODE[found](answer.body) if found else answer.body
    assert body == ask(place, path).body or path == "/"
    assert b"{" in body or b"</html>" in body


@pytest.mark.production
@pytest.mark.parametrize("coding", ["gzip", "br"])
@pytest.mark.parametrize("path", ["/", "/no-such-page", "/request/inspect"])
def test_S3_page_is_compressed(place: Place, path: str, coding: str) -> None:
    answer = ask(place, path, f"Accept-Encoding: {coding}")
    assert answer["Content-Encoding"] == coding
    assert "accept-encoding" in listed(answer, "Vary")
    assert b"</html>" in DECODE[coding](answer.body)
    assert len(answer.body) < len(ask(place, path).body)


@pytest.mark.production
@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_S3_json_is_compressed(place: Place, coding: str) -> None:
    path = f"/request/inspect?a={'b' * 2000}"
    answer = ask(place, path, "Accept: application/json", f"Accept-Encoding: {coding}")
    assert answer["Content-Encoding"] == coding
    assert b"bbbb" in DECODE[coding](answer.body)


@pytest.mark.parametrize("path", ["/application/hello", "/healthz"])
def test_S3_small_answer_is_not_compressed(place: Place, path: str) -> None:
    """Below 1 KiB it would hardly be smaller."""
    answer = ask(place, path, "Accept-Encoding: gzip, br")
    assert "Content-Encoding" not in answer
    assert int(answer["Content-Length"]) == len(answer.body) < 1024


@pytest.mark.production
@pytest.mark.parametrize("path", ["/", "/application/hello", "/static/site.css", "/static/icon.svg"])
@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_S3_head_tells_the_coding_of_get(place: Place, path: str, coding: str) -> None:
    get, head = (ask(place, path, f"Accept-Encoding: {coding}", method=method) for method in ("GET", "HEAD"))
    for name in ("Content-Encoding", "Content-Type", "ETag", "Last-Modified", "Cache-Control"):
        assert head.all(name) == get.all(name)
    assert listed(head, "Vary") == listed(get, "Vary")
    # A length may be left out (RFC 9110, 9.3.2), but not be another.
    assert head.all("Content-Length") in (get.all("Content-Length"), [])


def test_S3_token_is_another_in_each_answer(site: Site) -> None:
    """Compression beside what an attacker chooses would tell a secret that stays (BREACH)."""
    tokens = {site.token("/wtf/contact") for _ in range(5)}
    assert len(tokens) == 5


# ---- S4: what is no file for visitors ----

FOLDERS = ["", "vendor", "vendor/", "vendor/sijax/"]
NO_FILES = [
    *FOLDERS,
    "no-such-file.css",
    "cache_manifest.json",
    ".git/config",
    ".env",
    "site.css~",
    "site.css.map",
]


@pytest.mark.parametrize("path", NO_FILES)
def test_S4_is_not_found(place: Place, path: str) -> None:
    answer = ask(place, f"/static/{path}")
    assert answer.status == 404
    assert "Index of" not in answer.text
    assert "Location" not in answer
