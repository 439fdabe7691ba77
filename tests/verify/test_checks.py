"""Every check holds on a server that keeps the contract, and fails on one that breaks its row alone."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.profiles import PRODUCTION
from tests.verify.server import FIGURES, Server
from verify import checks as _checks  # noqa: F401  registers them
from verify.check import CHECKS, Check, carry_out, carry_out_all
from verify.checks.limits import SLOW_CLIENTS
from verify.ours import PATTERNS, ROOT, SERVERS, line
from verify.site import CONNECTIONS, Site

# What breaks a check, by its name: behaviours of the server, and words that the report must have.
BREAKS: dict[str, list[tuple[dict[str, Any], str]]] = {
    "tls_versions": [
        ({"oldest_tls": ssl.TLSVersion.TLSv1, "suites": "ALL"}, "TLSv1 is accepted"),
        ({"newest_tls": ssl.TLSVersion.TLSv1_2}, "TLSv1_3 is refused"),
    ],
    "tls_suites": [({"suites": "ALL"}, "is accepted")],
    "http2": [({"alpn": ("http/1.1",)}, "by HTTP/1.1")],
    "hsts": [({"hsts": 0}, "no Strict-Transport-Security"), ({"hsts": 300}, "max-age=300")],
    "unknown_host": [({"any_host": True}, "Host: stranger.invalid: answered 200")],
    "malformed_host": [({"malformed_host": True, "any_host": True}, "two: answered 200")],
    "forwarded": [({"believes_forwarded": True}, "redirect /old: stranger.invalid is in it")],
    "request_id_made": [
        ({"request_id": "none"}, "404: no X-Request-ID"),
        ({"request_id": "fixed"}, "the same"),
    ],
    "request_id_kept": [({"request_id": "made"}, "is answered with")],
    "request_id_replaced": [({"request_id": "kept"}, '"><b> is answered with "><b>')],
    "strange_paths": [
        ({"strange_path": 500}, "/%00: answered 500"),
        ({"up": b"root:x:0:0:root:/root:/bin/sh"}, "/etc/passwd is served"),
    ],
    "trace": [({"trace": 200}, "TRACE: answered 200")],
    "head": [({"head": "headers"}, "only one of HEAD and GET has"), ({"head": "body"}, "no answer")],
    "http10": [({"http10": "chunked"}, "in chunks"), ({"http10": "open"}, "stays open")],
    "bodies": [({"chunked": 411}, "chunked: answered 411")],
    "smuggling": [
        ({"ambiguous": "taken"}, "two lengths: answered 200"),
        ({"ambiguous": "twice"}, "a length and chunks: two answers"),
    ],
    "validators": [({"unchanged": 200}, "with If-None-Match: answered 200")],
    "ranges": [({"ranges": False}, "for its first ten bytes 200")],
    "types": [({"style": "text/plain"}, "text/plain"), ({"style": "text/css"}, "without charset=utf-8")],
    "cache_control": [({"cached": "no-cache"}, "no-cache"), ({"asked_again": "public"}, "/site.css: ")],
    "page_compressed": [
        ({"codings": ("gzip",)}, "/ is not compressed for a client that takes br"),
        ({"vary": False}, "no Vary"),
    ],
    "files_compressed": [({"codings": ("br",)}, ".css is not compressed for a client that takes gzip")],
    "small_answers": [({"smallest": 0}, "come by br")],
    "dotfiles": [({"dotfile": 403}, "/.env: answered 403")],
    "listings": [({"folder": 403}, "/static/: answered 403")],
    "large_body": [
        ({"largest": 300_000, "body_time": 9, "byte_time": 9}, "is waited for"),
        ({"closes_413": False, "keep_alive": 9}, "stays open"),
    ],
    "large_head": [
        ({"lines": 200}, "101 headers: answered 200"),
        ({"line": 20_000}, "a header of 9216 bytes: answered 200"),
    ],
    "ordinary_head": [({"lines": 50}, "80 headers: answered 431"), ({"line": 4096}, "7168 bytes: ")],
    "slow_headers": [({"head_time": 5}, "still open")],
    "halted_body": [({"byte_time": 5, "body_time": 5}, "still open")],
    "slow_body": [({"body_time": 5}, "at a byte a second")],
    "slow_clients": [({"at_once": 5, "head_time": 5}, "answered 200 after 1.")],
    "keep_alive": [({"keep_alive": 5}, "still open"), ({"keep_alive": 0.1}, "closed after 0.")],
    "security_headers on the page": [({"without": (200,)}, "page: no X-Content-Type-Options; ")],
    "security_headers on a redirect": [({"without": (302,)}, "redirect: no X-Content-Type-Options; ")],
    "security_headers on static files, and on 304": [({"without": (304,)}, "304: no X-")],
    "security_headers on errors": [({"without": (400,)}, "400: no X-")],
    "versions": [
        ({"server": "tiny/1.0"}, "Server: tiny/1.0"),
        ({"more": {"X-Powered-By": "PHP"}}, "X-Powered-By: PHP"),
    ],
    "once": [({"twice": "X-Request-ID"}, "2 times x-request-id")],
    "cookies": [
        ({"cookie": "session=1; SameSite=Lax"}, "session without HttpOnly, Secure"),
        ({"cookie": "a=1; HttpOnly; Secure; SameSite=None"}, "a with SameSite=None"),
    ],
    "error_pages": [
        ({"errors": "html"}, "application/json is asked for, text/html comes"),
        ({"errors": "broken"}, "application/json is asked for"),
        ({"errors": "without id"}, "does not tell the request's id"),
    ],
}  # fmt: skip


def name_of(check: Check) -> str:
    """Tell apart what `security_headers` checks."""
    return f"{check.name} {check.title[check.title.index('on ') :]}" if check.row == "H1" else check.name


def visit(server: Server) -> Site:
    return Site(server.url, insecure=True, figures=FIGURES)


def test_every_check_can_fail() -> None:
    elsewhere = {"redirect_to_https"}  # it is not for this machine: see below
    assert {name_of(check) for check in CHECKS} - elsewhere == set(BREAKS)


def test_server_that_keeps_the_contract_passes(serve: Callable[..., Server]) -> None:
    outcomes = carry_out_all(CHECKS, visit(serve()))
    assert {outcome.check.name: outcome.seen for outcome in outcomes if outcome.seen} == {}
    assert [outcome.check.row for outcome in outcomes if outcome.reason] == ["R3"]


def test_slow_clients_are_not_blamed_for_a_slow_site(serve: Callable[..., Server]) -> None:
    (check,) = [check for check in CHECKS if check.name == "slow_clients"]
    assert carry_out(check, visit(serve(at_once=0, head_time=5))).state == "holds"


@pytest.mark.parametrize(
    ("check", "behaviour", "words"),
    [
        pytest.param(check, behaviour, words, id=f"{check.row}-{name_of(check)}-{number}".replace(" ", "_"))
        for check in CHECKS
        for number, (behaviour, words) in enumerate(BREAKS.get(name_of(check), []))
    ],
)
def test_check_fails_where_its_row_is_broken(
    serve: Callable[..., Server], check: Check, behaviour: dict[str, Any], words: str
) -> None:
    outcome = carry_out(check, visit(serve(**behaviour)))
    assert outcome.state == "fails"
    assert words in "\n".join(outcome.seen)


def test_404_of_an_application_behind_a_sound_server_is_told_and_not_judged(
    serve: Callable[..., Server],
) -> None:
    """The contract's row is of the front end's pages; those of an application are its own."""
    [check] = [check for check in CHECKS if check.name == "error_pages"]
    outcome = carry_out(check, visit(serve(errors="application")))
    assert outcome.state == "not checked"
    assert "of the application's 404, the text/html does not tell the request's id" in outcome.reason
    assert "application/json is asked for, text/html comes" in outcome.reason


def test_plain_http_leaves_tls_unchecked(serve: Callable[..., Server]) -> None:
    site = visit(serve(tls=False))
    outcomes = carry_out_all([check for check in CHECKS if check.row in ("R2", "H3")], site)
    assert [outcome.state for outcome in outcomes] == ["not checked"] * 4 + ["holds"]


def test_hsts_by_plain_http_is_a_failure(serve: Callable[..., Server]) -> None:
    site = visit(serve(tls=False, more={"Strict-Transport-Security": "max-age=63072000"}))
    [hsts] = [check for check in CHECKS if check.name == "hsts"]
    assert carry_out(hsts, site).seen == ["sent by plain HTTP: max-age=63072000"]


@pytest.mark.parametrize(
    ("status", "location", "state"),
    [
        (308, "https://my.example.org{path}", "holds"),
        (301, "https://my.example.org{path}", "fails"),
        (308, "https://my.example.org/", "fails"),
        (200, "", "fails"),
    ],
)
def test_redirect_to_https_keeps_path_and_query(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, status: int, location: str, state: str
) -> None:
    site = visit(serve())
    site.url, site.port = httpx.URL("https://my.example.org/"), 443

    def by_browser(url: httpx.URL) -> httpx.Response:
        path = str(url).removeprefix("http://my.example.org")
        return httpx.Response(status, headers={"Location": location.format(path=path)})

    monkeypatch.setattr(site, "by_browser", by_browser)
    [check] = [check for check in CHECKS if check.row == "R3"]
    assert carry_out(check, site).state == state


def test_visit_is_gentle(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """No more connections at once than promised; every request is counted and says who sends it."""
    server = serve()
    most = 0
    serve_one = server._serve

    def watched(connection: Any) -> None:
        nonlocal most
        most = max(most, server.open + 1)
        serve_one(connection)

    monkeypatch.setattr(server, "_serve", watched)
    site = visit(server)
    carry_out_all(CHECKS, site)
    assert SLOW_CLIENTS <= most <= CONNECTIONS
    assert 100 < site.requests < 300
    assert b"\r\nUser-Agent: flask-reference-verify/" in site.head()


def test_site_that_stops_answering_fails(serve: Callable[..., Server]) -> None:
    site = visit(serve())
    site.port = 9
    [trace] = [check for check in CHECKS if check.name == "trace"]
    outcome = carry_out(trace, site)
    assert outcome.state == "fails"
    assert "no answer: " in outcome.seen[0]


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_lines_of_ours_are_found(name: str) -> None:
    """A pattern that finds nothing would leave a failure without its remedy."""
    assert name in {check.name for check in CHECKS}
    for server, pattern in PATTERNS[name].items():
        found = line(pattern, ROOT / server)
        assert found, f"{name}: no line of {server}/ looks like {pattern}"
        file, number = found.split("  ")[0].rsplit(":", 1)
        assert Path(ROOT / file).read_text().splitlines()[int(number) - 1].strip() in found


def test_servers_are_folders_of_ours() -> None:
    assert set(SERVERS) <= set(PRODUCTION)
