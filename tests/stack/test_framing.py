"""Row T8: where a request ends. All that is said of it must agree, or nobody's next request is safe.

Sources of the shapes: RFC 9112, 6 and 11; https://portswigger.net/web-security/request-smuggling.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import pytest

from tests.echo import app_log, echo, ran
from tests.stacks import Stack, until
from tests.wire import Answer, MalformedError, Place, request

pytestmark = pytest.mark.front_end

# ---- what is right ----


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    pieces = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"".join(pieces) + b"0\r\n" + trailers + b"\r\n"


CHUNKED = {
    "one": chunked(b"a body"),
    "many": chunked(*[b"x" * 100] * 100),
    "empty": chunked(),
    "upper case": b"A\r\n0123456789\r\n0\r\n\r\n",
    "zeros before": b"00006\r\na body\r\n000\r\n\r\n",
    "extension": b"6;name=value\r\na body\r\n0;last\r\n\r\n",
    "trailers": chunked(b"a body", trailers=b"X-Checksum: 1\r\nX-Forwarded-For: 203.0.113.7\r\n"),
    "300 kB": chunked(*[b"y" * 30_000] * 10),
}
CHUNKED_BODIES = {
    "one": b"a body",
    "many": b"x" * 10_000,
    "empty": b"",
    "upper case": b"0123456789",
    "300 kB": b"y" * 300_000,
}


@pytest.mark.production
@pytest.mark.parametrize("body", CHUNKED.values(), ids=CHUNKED.keys())
def test_T8_chunked_body_arrives_whole(place: Place, body: bytes) -> None:
    (name,) = (name for name, sent in CHUNKED.items() if sent is body)
    seen = echo(place, "Transfer-Encoding: chunked", start="POST /test/echo HTTP/1.1", body=body)
    expected = CHUNKED_BODIES.get(name, b"a body")
    assert (seen["body_length"], seen["body_sha256"]) == (len(expected), hashlib.sha256(expected).hexdigest())
    assert seen["client"] == echo(place)["client"]


@pytest.mark.production
def test_T8_answer_arrives_though_the_application_leaves_the_body_unread(stack: Stack) -> None:
    """A server that closes before it has read all resets the connection: of 60 such answers 12 were lost."""
    answers = [stack.site.post("/no-such-page", data=b"x" * 300_000) for _ in range(60)]
    assert {(answer.status_code, "404 " in answer.text) for answer in answers} == {(404, True)}


@pytest.mark.production
def test_T8_trailers_are_no_headers(place: Place) -> None:
    seen = echo(
        place, "Transfer-Encoding: chunked", start="POST /test/echo HTTP/1.1",
        body=chunked(b"a body", trailers=b"X-Late: yes\r\nAuthorization: Basic YTpi\r\n"),
    )  # fmt: skip
    assert seen.header("X-Late") == seen.header("Authorization") == []


def test_T8_chunks_that_come_apart_arrive(place: Place) -> None:
    """Each byte in a packet of its own."""
    with place.connect() as wire:
        head = request("POST /test/echo HTTP/1.1", f"Host: {place.host}", "Transfer-Encoding: chunked")
        for byte in head + chunked(b"a body"):
            wire.send(bytes([byte]))
        answer = wire.answer()
    assert answer
    assert answer.json()["body_length"] == 6


@pytest.mark.production
@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_T8_expect_100_continue_is_answered(place: Place, coding: str) -> None:
    """The body is sent when the server has asked for it, as curl does."""
    line = "Content-Length: 6" if coding == "length" else "Transfer-Encoding: chunked"
    with place.connect() as wire:
        wire.send(request("POST /test/echo HTTP/1.1", f"Host: {place.host}", line, "Expect: 100-continue"))
        interim = wire.answer(seconds=5)
        assert interim
        assert interim.status == 100
        wire.send(b"a body" if coding == "length" else chunked(b"a body"))
        answer = wire.answer()
    assert answer
    assert (answer.status, answer.json()["body_length"]) == (200, 6)


def test_T8_body_sent_without_waiting_for_100_arrives(place: Place) -> None:
    lines = f"Host: {place.host}", "Content-Length: 6", "Expect: 100-continue"
    answer = place.ask(request("POST /test/echo HTTP/1.1", *lines, body=b"a body"))
    assert (answer.status, answer.json()["body_length"]) == (200, 6)


def test_T8_unknown_expectation_is_passed_over_or_refused(place: Place) -> None:
    answer = place.ask(request("GET /application/hello HTTP/1.1", f"Host: {place.host}", "Expect: x-miracle"))
    assert answer.status in {200, 417}


@pytest.mark.production
def test_T8_requests_in_a_row_are_answered_in_order(place: Place) -> None:
    """Sent at once, without waiting for an answer."""
    asked = [
        request(f"POST /test/echo?{n} HTTP/1.1", f"Host: {place.host}", "Content-Length: 1", body=b"x")
        for n in range(5)
    ]
    with place.connect() as wire:
        wire.send(b"".join(asked))
        answers = [wire.answer() for _ in asked]
    assert [answer and answer.json()["query_string"] for answer in answers] == list("01234")


def test_T8_body_that_no_view_reads_does_not_become_a_request(place: Place) -> None:
    mark = uuid4().hex
    body = request(f"GET /test/echo?{mark} HTTP/1.1", "Host: localhost")
    for path in ("/application/hello", "/no-such-page", "/static/site.css"):
        first = request(
            f"POST {path} HTTP/1.1", f"Host: {place.host}", f"Content-Length: {len(body)}", body=body
        )
        last = request("GET /test/echo?last HTTP/1.1", f"Host: {place.host}", "Connection: close")
        answers = place.say(first + last)
        assert not any(mark in answer.text for answer in answers)
        assert len(answers) in {1, 2}


# ---- what is too short ----


@pytest.mark.production
@pytest.mark.parametrize("coding", ["length", "chunked", "chunked, no end"])
def test_T8_body_shorter_than_declared_is_not_run(stack: Stack, place: Place, coding: str) -> None:
    """The client goes away in the middle: half an order must not be placed."""
    mark = uuid4().hex
    line, body = {
        "length": ("Content-Length: 1000", b"x" * 500),
        "chunked": ("Transfer-Encoding: chunked", b"3e8\r\n" + b"x" * 500),
        "chunked, no end": ("Transfer-Encoding: chunked", b"1f4\r\n" + b"x" * 500 + b"\r\n"),
    }[coding]
    with place.connect() as wire:
        wire.send(request(f"POST /test/log?message={mark} HTTP/1.1", f"Host: {place.host}", line, body=body))
    assert not ran(stack, mark)


def test_T8_upload_that_breaks_off_leaves_no_file(place: Place, stack: Stack) -> None:
    name = f"{uuid4().hex}.txt"
    site = stack.site
    token = site.token("/uploads/upload")
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in site.cookies)
    body = (
        f'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n'
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nhalf\r\n--b--\r\n'
    ).encode()
    lines = [
        f"Host: {place.host}", f"Referer: {place.url}", f"Cookie: {cookies}",
        "Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body) + 100}",
    ]  # fmt: skip
    with place.connect() as wire:
        wire.send(request("POST /uploads/uploader HTTP/1.1", *lines, body=body))
    ran(stack, name)  # what was asked before is done
    assert name not in stack.site.get("/uploads/upload").text


# ---- what does not agree ----

TE, CL = b"Transfer-Encoding: chunked", b"Content-Length: 5"
MARK, NONE = b"MARK", b"0\r\n\r\n"  # a whole request, which will bear a mark; an empty body in chunks
# Header lines and what follows them, after the start line of a POST.
SHAPES: dict[str, tuple[list[bytes], bytes]] = {
    "CL.TE": ([b"Content-Length: 6", TE], NONE + MARK),
    "TE.CL": ([TE, b"Content-Length: 4"], b"SIZE\r\nMARK\r\n0\r\n\r\n"),
    "CL.CL": ([CL, b"Content-Length: 0"], MARK),
    "CL.CL same": ([b"Content-Length: 0", b"Content-Length: 0"], MARK),
    "CL list": ([b"Content-Length: 0, 5"], MARK),
    "CL list same": ([b"Content-Length: 0, 0"], MARK),
    "CL plus": ([b"Content-Length: +0"], MARK),
    "CL minus": ([b"Content-Length: -0"], MARK),
    "CL negative": ([b"Content-Length: -1"], MARK),
    "CL hexadecimal": ([b"Content-Length: 0x0"], MARK),
    "CL space within": ([b"Content-Length: 0 0"], MARK),
    "CL fraction": ([b"Content-Length: 0.0"], MARK),
    "CL underscore": ([b"Content-Length: 0_0"], MARK),
    "CL no number": ([b"Content-Length: zero"], MARK),
    "CL empty": ([b"Content-Length:"], MARK),
    "CL quoted": ([b'Content-Length: "0"'], MARK),
    "CL beyond 64 bits": ([b"Content-Length: 18446744073709551616"], MARK),
    "CL beyond 63 bits": ([b"Content-Length: 9223372036854775808"], MARK),
    "CL other digits": ([b"Content-Length: \xd9\xa0"], MARK),
    "CL space before colon": ([b"Content-Length : 5"], MARK),
    "CL tab before colon": ([b"Content-Length\t: 5"], MARK),
    "CL underscore name": ([b"Content_Length: 5"], MARK),
    "TE unknown": ([b"Transfer-Encoding: xchunked"], NONE + MARK),
    "TE identity": ([b"Transfer-Encoding: identity"], NONE + MARK),
    "TE vertical tab": ([b"Transfer-Encoding: \x0bchunked"], NONE + MARK),
    "TE form feed": ([b"Transfer-Encoding:\x0cchunked"], NONE + MARK),
    "TE no-break space": ([b"Transfer-Encoding:\xa0chunked"], NONE + MARK),
    "TE NUL": ([b"Transfer-Encoding: chunked\0"], NONE + MARK),
    "TE quoted": ([b'Transfer-Encoding: "chunked"'], NONE + MARK),
    "TE comma": ([b"Transfer-Encoding: ,chunked"], NONE + MARK),
    "TE twice": ([TE, TE], NONE + MARK),
    "TE twice, unknown": ([TE, b"Transfer-Encoding: x"], NONE + MARK),
    "TE twice, identity": ([b"Transfer-Encoding: identity", TE], NONE + MARK),
    "TE list": ([b"Transfer-Encoding: chunked, identity"], NONE + MARK),
    "TE gzip": ([b"Transfer-Encoding: gzip, chunked"], NONE + MARK),
    "TE not last": ([b"Transfer-Encoding: chunked, gzip"], NONE + MARK),
    "TE parameter": ([b"Transfer-Encoding: chunked;x=y"], NONE + MARK),
    "TE space before colon": ([b"Transfer-Encoding : chunked", CL], NONE + MARK),
    "TE folded": ([b"Transfer-Encoding:", b" chunked", CL], NONE + MARK),
    "TE behind a folded line": ([b"X-A: b", b" Transfer-Encoding: chunked", CL], NONE + MARK),
    "TE behind bare CR": ([b"X-A: b\rTransfer-Encoding: chunked", CL], NONE + MARK),
    "TE behind bare LF": ([b"X-A: b\nTransfer-Encoding: chunked", CL], NONE + MARK),
    "TE underscore name": ([b"Transfer_Encoding: chunked", CL], NONE + MARK),
    "TE space before name": ([b" Transfer-Encoding: chunked", CL], NONE + MARK),
    "TE empty": ([b"Transfer-Encoding:", CL], NONE + MARK),
    "chunk negative": ([TE], b"-1\r\nx\r\n0\r\n\r\n" + MARK),
    "chunk 0x": ([TE], b"0x0\r\n\r\n" + MARK),
    "chunk no number": ([TE], b"zz\r\n" + MARK),
    "chunk empty line": ([TE], b"\r\n\r\n" + MARK),
    "chunk beyond 64 bits": ([TE], b"10000000000000000\r\n0\r\n\r\n" + MARK),
    "chunk beyond 32 bits": ([TE], b"100000000\r\n0\r\n\r\n" + MARK),
    "chunk longer than its size": ([TE], b"1\r\nxyz\r\n0\r\n\r\n" + MARK),
    "chunk no CRLF behind": ([TE], b"1\r\nx0\r\n\r\n" + MARK),
    "chunk space before": ([TE], b" 0\r\n\r\n" + MARK),
    "chunk bare LF": ([TE], b"0\n\n" + MARK),
    "chunk bare CR": ([TE], b"0\r\r" + MARK),
    "chunk bare LF in extension": ([TE], b"2;\nxx\r\n2\r\n0\r\n\r\n" + MARK),
    "chunk NUL": ([TE], b"0\0\r\n\r\n" + MARK),
    "chunk line of 20 kB": ([TE], b"0;" + b"x" * 20_000 + b"\r\n\r\n" + MARK),
    "chunk zeros of 20 kB": ([TE], b"0" * 20_000 + b"\r\n\r\n" + MARK),
    "trailer no header": ([TE], b"0\r\nno header\r\n\r\n" + MARK),
    "trailer length": ([TE], b"0\r\nContent-Length: 5\r\n\r\n" + MARK),
    "trailers of 100 kB": ([TE], b"0\r\n" + b"X-A: bbbbbbbbbb\r\n" * 6000 + b"\r\n" + MARK),
    "header NUL": ([b"X-A: b\0c"], MARK),
    "header bare CR": ([b"X-A: b\rc"], MARK),
    "header bare LF": ([b"X-A: b\nX-B: c"], MARK),
    "header control byte": ([b"X-A: b\x01c"], MARK),
    "header no colon": ([b"X-A"], MARK),
    "header no name": ([b": b"], MARK),
    "header space in name": ([b"X A: b"], MARK),
    "header space before colon": ([b"X-A : b"], MARK),
    "header NUL in name": ([b"X\0A: b"], MARK),
    "header no ASCII in name": ([b"X\xe9A: b"], MARK),
    "header folded": ([b"X-A: b", b" c"], MARK),
    "header folded at first": ([b" X-A: b"], MARK),
    "header separators in name": ([b"X(A): b", b"X/A: b", b"X@A: b"], MARK),
    "Connection drops the length": ([b"Connection: Content-Length", CL], MARK),
    "Connection drops the coding": ([b"Connection: Transfer-Encoding", TE], NONE + MARK),
    "Upgrade": ([b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"], MARK),
    "WebSocket": ([b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"], MARK),
    "Expect and length": ([b"Expect: 100-continue", b"Content-Length: 0"], MARK),
}  # fmt: skip

# Start lines: what may be answered. A version that the server does not speak may be taken for its own.
LINES: dict[str, tuple[bytes, set[int]]] = {
    "HTTP/0.9": (b"GET /test/echo", {400, 505}),
    "HTTP/0.9 with a version": (b"GET /test/echo HTTP/0.9", {400, 505}),
    "HTTP/1.9": (b"GET /test/echo HTTP/1.9", {200, 400, 505}),
    "HTTP/2.0": (b"GET /test/echo HTTP/2.0", {200, 400, 505}),
    "HTTP/3.0": (b"GET /test/echo HTTP/3.0", {200, 400, 505}),
    "HTTP/9.9": (b"GET /test/echo HTTP/9.9", {200, 400, 505}),
    "HTTP/1": (b"GET /test/echo HTTP/1", {400, 505}),
    "HTTP/1.": (b"GET /test/echo HTTP/1.", {400, 505}),
    "HTTP/11.1": (b"GET /test/echo HTTP/11.1", {400, 505}),
    "HTTP/01.1": (b"GET /test/echo HTTP/01.1", {400, 505}),
    "HTTP/1.1x": (b"GET /test/echo HTTP/1.1x", {400, 505}),
    "HTTP/-1.1": (b"GET /test/echo HTTP/-1.1", {400, 505}),
    "http/1.1": (b"GET /test/echo http/1.1", {400, 505}),
    "FTP/1.1": (b"GET /test/echo FTP/1.1", {400, 505}),
    "no version number": (b"GET /test/echo HTTP/", {400, 505}),
    "text behind the version": (b"GET /test/echo HTTP/1.1 x", {400, 505}),
    "no target": (b"GET HTTP/1.1", {400, 404}),
    "method alone": (b"GET", {400}),
    "method in lower case": (b"get /test/echo HTTP/1.1", {400, 405, 501}),
    "method that is none": (b"MIRACLE /test/echo HTTP/1.1", {400, 405, 501}),
    "method with a bracket": (b"G(T /test/echo HTTP/1.1", {400, 405, 501}),
    "method with NUL": (b"G\0T /test/echo HTTP/1.1", {400, 405, 501}),
    "method no ASCII": (b"G\xc9T /test/echo HTTP/1.1", {400, 405, 501}),
    "method of 100 bytes": (b"M" * 100 + b" /test/echo HTTP/1.1", {400, 405, 414, 501}),
    "method of 20 kB": (b"M" * 20_000 + b" /test/echo HTTP/1.1", {400, 405, 413, 414, 431, 501}),
    "space before": (b" GET /test/echo HTTP/1.1", {400, 501}),
    "tabs between": (b"GET\t/test/echo\tHTTP/1.1", {400}),
    "CR between": (b"GET\r/test/echo\rHTTP/1.1", {400}),
    "form feed between": (b"GET\x0c/test/echo\x0cHTTP/1.1", {400}),
    "two spaces": (b"GET  /test/echo  HTTP/1.1", {200, 400}),
    "empty line before": (b"\r\nGET /test/echo HTTP/1.1", {200, 400}),
    "bare LF": (b"GET /test/echo HTTP/1.1\nX-A: b", {200, 400}),
    "NUL in the version": (b"GET /test/echo HTTP/1.1\0", {400, 505}),
    "colon": (b"GET: /test/echo HTTP/1.1", {400, 405, 501}),
    "TLS": (bytes.fromhex("16030100a5010000a10303"), {400}),
    "HTTP/2 without TLS": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n", {400, 405, 505}),
}


# By RFC 9112 the connection ends after one answer at most: where the next request begins is anybody's guess.
ENDS = {
    "CL.TE", "TE.CL", "CL.CL", "CL list", "CL plus", "CL minus", "CL negative", "CL hexadecimal",
    "CL space within", "CL fraction", "CL underscore", "CL no number", "CL quoted", "CL beyond 64 bits",
    "CL other digits", "CL space before colon", "CL tab before colon", "TE unknown", "TE vertical tab",
    "TE form feed", "TE NUL", "TE quoted", "TE twice, unknown", "TE not last", "TE list",
    "TE space before colon", "TE folded", "chunk negative", "chunk 0x", "chunk no number",
    "chunk empty line", "chunk beyond 64 bits", "chunk space before", "chunk longer than its size",
    "chunk no CRLF behind", "chunk NUL", "header space before colon",
}  # fmt: skip
# Of these, what may be taken all the same (6.1): by its coding, as if no length were there.
MAY_BE_RUN = {"CL.TE", "TE.CL", "TE folded"}


@dataclass(frozen=True)
class Outcome:
    """What came back on a connection, and whether app and front end know of the request that was hidden."""

    answers: list[Answer]
    garbage: str
    run: bool
    logged: bool


def provoke(place: Place, data: bytes) -> tuple[list[Answer], str]:
    """Send it, and behind it a harmless request; return the answers, and what is none."""
    harmless = request("GET /application/hello HTTP/1.1", f"Host: {place.host}", "Connection: close")
    with place.connect() as wire:
        wire.send(data + harmless)
        answers = []
        try:
            while answer := wire.answer(seconds=2):
                answers.append(answer)
        except TimeoutError:
            return answers, ""  # it waits for more
        except MalformedError as error:
            return answers, str(error)
    return answers, ""


def provoke_all(stack: Stack, place: Place, shapes: dict[str, bytes]) -> dict[str, Outcome]:
    """Send all shapes side by side, MARK in each a request of its own; return what became of each."""
    marks = {name: uuid4().hex for name in shapes}

    def send(name: str) -> tuple[list[Answer], str]:
        hidden = request(f"GET /test/log?message={marks[name]} HTTP/1.1", "Host: localhost")
        return provoke(place, shapes[name].replace(b"MARK", hidden).replace(b"SIZE", b"%x" % len(hidden)))

    with ThreadPoolExecutor(8) as pool:
        sent = dict(zip(shapes, pool.map(send, shapes), strict=True))
    ran(stack, "")  # whatever the app was given before is in its log
    heard = app_log(stack)
    log, last = "", uuid4().hex

    def written() -> bool:
        nonlocal log
        log = stack.front.logs(tail=5000).decode(errors="replace")
        return last in log

    place.ask(request(f"GET /static/icon.svg?{last} HTTP/1.1", f"Host: {place.host}"))
    until(written, "the front end has written its log until here", 15)  # lighttpd does so every 4 s
    return {
        name: Outcome(*sent[name], marks[name] in heard, f"message={marks[name]}" in log) for name in shapes
    }


@pytest.fixture(scope="module", params=["http", "tls"])
def outcomes(stack: Stack, request: pytest.FixtureRequest) -> dict[str, Outcome]:
    place = Place(stack.tls_url, stack.authority) if request.param == "tls" else Place(stack.base_url)
    host = f"Host: {place.host}".encode()
    shapes = {
        name: b"\r\n".join([b"POST /test/echo HTTP/1.1", host, *lines, b"", b""]) + body
        for name, (lines, body) in SHAPES.items()
    }
    lines = {f"line {name}": line + b"\r\n" + host + b"\r\n\r\n" for name, (line, _) in LINES.items()}
    return provoke_all(stack, place, shapes | lines)


@pytest.mark.production
@pytest.mark.parametrize("shape", SHAPES)
def test_T8_no_request_is_smuggled(outcomes: dict[str, Outcome], shape: str) -> None:
    """A 501 names a transfer coding that the server does not know (RFC 9112, 6.1)."""
    outcome = outcomes[shape]
    assert not outcome.garbage
    assert all(answer.status < 500 or answer.status == 501 for answer in outcome.answers)
    # What the app was asked, the front end has asked it: it is no stowaway.
    assert outcome.run <= outcome.logged
    if shape in ENDS:
        assert not outcome.run
        assert len(outcome.answers) <= 1
    if shape in ENDS - MAY_BE_RUN:
        assert all(answer.status >= 400 for answer in outcome.answers)


@pytest.mark.production
@pytest.mark.parametrize("name", LINES)
def test_T8_start_line_is_understood_or_refused(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[f"line {name}"]
    if name in {"HTTP/0.9", "method alone", "HTTP/2 without TLS"} and outcome.garbage:
        # An answer without a status line, as HTTP/0.9 has it, or HTTP/2's first frame.
        assert "script_name" not in outcome.garbage
        return
    assert not outcome.garbage
    assert [answer.status for answer in outcome.answers][:1] in [[], *([status] for status in LINES[name][1])]
