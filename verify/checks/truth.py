"""T: what a client may say of itself, request ids, strange paths, methods and bodies."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import httpx

from verify.check import CLIENT_ERRORS, answered, check, others_than
from verify.site import STRANGER, NotCheckedError, Site, path_of

WELL_FORMED = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
PASSWD = re.compile(r"\w+:[^:\n]*:\d+:\d+:")
FORM = "Content-Type: application/x-www-form-urlencoded"


@check("T2", "What a client says of itself stands in no redirect")
def forwarded(site: Site) -> Iterator[str]:
    """A spoofed X-Forwarded-Host in a Location sends others, by way of a cache, to an attacker's host."""
    lies = (
        f"X-Forwarded-Host: {STRANGER}", f"X-Host: {STRANGER}", f"Forwarded: host={STRANGER};proto=gopher",
        "X-Forwarded-Proto: gopher", "X-Forwarded-Port: 6666", f"X-Forwarded-Prefix: /{STRANGER}",
    )  # fmt: skip
    for what, target in {"page": site.path, "redirect": site.redirect_path}.items():
        answer = site.ask(*lies, target=target) if target else None
        said = f"{answer.headers} {answer.text}" if answer is not None else ""
        yield from (
            f"{what} {target}: {lie} is in it" for lie in (STRANGER, "gopher", ":6666") if lie in said
        )
    if not site.redirect_path:
        raise NotCheckedError("no redirect was found among the page's links")


def identity(answer: httpx.Response | None) -> str:
    """Return the X-Request-ID of an answer, or what is there instead of one."""
    seen = answer.headers.get_list("X-Request-ID") if answer is not None else []
    return ", ".join(seen) or "no X-Request-ID"


@check("T4", "A request without an id gets one, each its own")
def request_id_made(site: Site) -> Iterator[str]:
    """With it a visitor's report leads to the line in each log."""
    answers = {
        "page": site.ask(),
        "page again": site.ask(),
        "404": site.ask(target=site.missing()),
        "unknown Host": site.ask(host=STRANGER),
    }
    seen = {what: identity(answer) for what, answer in answers.items()}
    if wrong := {what: said for what, said in seen.items() if not WELL_FORMED.fullmatch(said)}:
        yield from (f"{what}: {said}" for what, said in wrong.items())
    elif len(set(seen.values())) < len(seen):
        yield f"the same for several requests: {', '.join(seen.values())}"


@check("T4", "A well-formed id is kept")
def request_id_kept(site: Site) -> Iterator[str]:
    """What called this site can follow its request through the logs of both."""
    for given in (uuid.uuid4().hex, str(uuid.uuid4())):
        if (seen := identity(site.ask(f"X-Request-ID: {given}"))) != given:
            yield f"{given} is answered with {seen}"


@check("T4", "A malformed id is replaced")
def request_id_replaced(site: Site) -> Iterator[str]:
    """Otherwise a client writes what it likes into every log, or gives all its requests one id."""
    for given in ('"><b>', "a" * 200, "g" * 32, "0" * 31):
        if not WELL_FORMED.fullmatch(seen := identity(site.ask(f"X-Request-ID: {given}"))):
            yield f"{given[:40]} is answered with {seen[:80]}"


@check("T5", "Strange paths are answered, never by 5xx or by a file outside static")
def strange_paths(site: Site) -> Iterator[str]:
    """Encoded ways up, NUL and overlong paths are what scanners try first; a 5xx is an alarm at night."""
    ups = ("../", "%2e%2e/", "..%2f", "..%5c", ".%2e/", "..;/", "%252e%252e/")
    paths = [f"{folder}{up * 6}etc/passwd" for folder in ("/", site.static) for up in ups]
    paths += [
        "//etc/passwd",
        "///",
        "/..",
        "/.",
        "/%",
        "/%zz",
        "/%00",
        f"{site.static}%00",
        "/a%00.html",
        "/?%00",
    ]
    paths += ["/%2F%2F", "/a%2Fb", "/%ff%fe", "/%C3%A9", "/\xff"]
    paths += ["/" + "a" * 7000, "/" + "a/" * 2000, "/?" + "a=b&" * 1500]
    for path in paths:
        answer = site.ask(target=path)
        if answer is None or answer.status_code >= 500:
            yield f"{path[:60]}: {answered(answer)}"
        elif PASSWD.search(answer.text):
            yield f"{path[:60]}: the machine's /etc/passwd is served"


@check("T7", "TRACE is refused (405)")
def trace(site: Site) -> Iterator[str]:
    """TRACE sends a request's headers back, also those that a script in the browser must not read."""
    yield from others_than((405,), {"TRACE": site.ask(method="TRACE")})


@check("T7", "HEAD gives the headers of GET and no body")
def head(site: Site) -> Iterator[str]:
    """Caches and monitors ask by HEAD and believe what they get."""
    # Ranges may be offered only once all of an answer is there (RFC 9110, 9.3.2).
    changing = {"date", "content-length", "set-cookie", "accept-ranges"}
    changing |= {"transfer-encoding", "connection", "keep-alive", "upgrade"}  # the connection's own
    fixed = ("content-type", "etag", "last-modified", "cache-control", "vary")
    for target in (site.path, *(path_of(file) for file in site.files[:1])):
        for coding in ("identity", "gzip"):
            what, accept = f"{target} ({coding})", f"Accept-Encoding: {coding}"
            # Both on one connection: a body behind HEAD would be read as the begin of the next answer.
            with site.wire() as wire:
                wire.send(site.head(accept, method="HEAD", target=target) + site.head(accept, target=target))
                first, second = wire.answer("HEAD"), wire.answer()
            if first is None or second is None or first.status_code != second.status_code:
                yield f"{what}: HEAD {answered(first)}, GET behind it {answered(second)}"
                continue
            if differing := (first.headers.keys() ^ second.headers.keys()) - changing:
                yield f"{what}: only one of HEAD and GET has {', '.join(sorted(differing))}"
            for name in fixed:
                if (said := first.headers.get(name)) != (other := second.headers.get(name)):
                    yield f"{what}: {name} {said!r}, by GET {other!r}"


@check("T7", "HTTP/1.0 works")
def http10(site: Site) -> Iterator[str]:
    """Health checks of load balancers and simple clients still speak it."""
    with site.wire() as wire:
        wire.send(site.head(version="HTTP/1.0"))
        answer = wire.answer()
        if answer is None or answer.status_code != 200:
            yield answered(answer)
        elif "Transfer-Encoding" in answer.headers:
            yield "answered in chunks, which HTTP/1.0 does not know"
        elif wire.closes(within=site.figures.margin) is None:
            yield "the connection stays open"


@check("T8", "A chunked body and “Expect: 100-continue” are taken")
def bodies(site: Site) -> Iterator[str]:
    """Clients that stream an upload do not know its length in advance."""
    refused = {411, 417, *range(500, 600)}
    chunks = b"3\r\na=b\r\n0\r\n\r\n"
    answers = {
        "chunked": site.ask("Transfer-Encoding: chunked", FORM, method="POST", body=chunks),
        "Expect": site.ask("Expect: 100-continue", "Content-Length: 3", FORM, method="POST", body=b"a=b"),
    }
    yield from others_than(set(range(200, 600)) - refused, answers)


@check("T8", "A request whose end can be read in two ways is refused, and the connection closed")
def smuggling(site: Site) -> Iterator[str]:
    """Where two servers disagree about where a request ends, the rest becomes another visitor's."""
    hidden = site.head(target=site.missing())
    length, chunked = f"Content-Length: {len(hidden) + 5}", "Transfer-Encoding: chunked"
    last_chunk, refused, taken = b"0\r\n\r\n", {*CLIENT_ERRORS, 501}, range(200, 500)
    for shape, fields, body, allowed in (
        ("two lengths", (length, "Content-Length: 0"), b"", refused),
        ("two lengths in one line", ("Content-Length: 0, 5",), b"", refused),
        ("a length with a sign", ("Content-Length: +0",), b"", refused),
        ("a negative length", ("Content-Length: -1",), b"", refused),
        ("an unknown coding", ("Transfer-Encoding: xchunked",), last_chunk, refused),
        ("a blank before the colon", ("Transfer-Encoding : chunked",), last_chunk, refused),
        ("NUL in a header", ("X-Canary: a\0b", "Content-Length: 0"), b"", refused),
        # Answers may come before the body is read, and RFC 9112, 6.1 lets chunks go before a length, if the
        # connection is closed then.
        ("a chunk without a length", (chunked,), b"zz\r\n\r\n", taken),
        ("a length and chunks", (length, chunked), last_chunk, taken),
        ("chunks and a length", (chunked, length), last_chunk, taken),
    ):  # fmt: skip
        with site.wire() as wire:
            wire.send(site.head(*fields, method="POST") + body + hidden)
            first = wire.answer()
            if first is not None and first.status_code not in allowed:
                yield f"{shape}: {answered(first)}"
            elif first is not None and (second := wire.answer()) is not None:
                yield f"{shape}: two answers, {first.status_code} and {second.status_code}"
