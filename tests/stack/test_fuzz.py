"""Row T5: thousands of malformed requests harm nobody. The seed is printed; ``FUZZ_SEED=1`` repeats a run."""

from __future__ import annotations

import os
import random
import re
import secrets
import ssl
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from tests import differences
from tests.stacks import Stack
from tests.wire import Answer, MalformedError, Place, request

WARM_UP, REQUESTS = 500, 2000
# What a profile may hold more after the requests than before: buffers of a few connections.
GROWTH_MIB = 24
SECONDS = 60
# What follows the last chunk is trailers. A server may be declared to answer 500 where they are broken (T8).
LAST_CHUNK = re.compile(rb"chunked.*\n0+\s*?\n", re.IGNORECASE | re.DOTALL)
NO_TRAILER = "test_T8_no_request_is_smuggled[http-trailer no header]"

# Sound requests, as the mutations find them: start line, header lines, body.
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nhello\r\n--b--\r\n"
)
SOUND: list[tuple[bytes, list[bytes], bytes]] = [
    (b"GET / HTTP/1.1", [b"Accept: text/html", b"Accept-Encoding: gzip, br"], b""),
    (b"GET /test/echo/a/b?c=d HTTP/1.1", [b"Cookie: a=b; session=x.y.z", b"Accept: application/json"], b""),
    (b"HEAD /static/site.css HTTP/1.1", [b"If-None-Match: \"x\""], b""),
    (b"GET /static/site.css HTTP/1.1", [b"Range: bytes=0-9", b"Accept-Encoding: gzip"], b""),
    (b"GET /request/inspect HTTP/1.0", [b"Authorization: Basic YTpi", b"X-Forwarded-For: 1.2.3.4"], b""),
    (b"POST /test/echo HTTP/1.1", [b"Content-Length: 5"], b"hello"),
    (b"PUT /test/echo HTTP/1.1", [b"Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n"),
    (b"POST /test/echo HTTP/1.1", [b"Content-Length: 5", b"Expect: 100-continue"], b"hello"),
    (b"POST /uploads/uploader HTTP/1.1",
     [b"Content-Type: multipart/form-data; boundary=b", b"Content-Length: %d" % len(FORM)], FORM),
    (b"POST /request/inspect HTTP/1.1",
     [b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: 7"], b"a=b&c=d"),
    (b"OPTIONS /methods/ HTTP/1.1", [b"Origin: http://localhost", b"Connection: close"], b""),
    (b"GET /test/stream?seconds=0.1 HTTP/1.1", [b"Connection: keep-alive, Upgrade", b"Upgrade: h2c"], b""),
]  # fmt: skip
METHODS = [b"GET", b"TRACE", b"get", b"", b"CONNECT", b"PRI", b"M" * 99, b"G\0T", b"DELETE"]
TARGETS = [
    b"*", b"", b"http://localhost/", b"/%00", b"/%ff", b"//", b"/?" + b"a=b&" * 500, b"/" + b"x" * 9000,
    b"\\", b"/static/../app", b"/static/%2e%2e/%2e%2e/etc/passwd", b"localhost:443", b"/\xff", b"/metrics",
    b"/wtf/contact",
]  # fmt: skip
VERSIONS = [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1 ", b"", b"http/1.1", b"HTTP/9" * 9]
NAMES = [
    b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"Upgrade", b"Range", b"Cookie",
    b"Host", b"TE", b"Accept-Encoding", b"If-None-Match", b"If-Modified-Since", b"X-Request-ID",
    b"X-Forwarded-For", b"Authorization", b"Content-Type", b"Forwarded", b"Trailer", b"X_Under", b"", b" ",
    b"X" * 5000, b"Accept", b"Referer", b"Proxy", b"Content-Encoding", b"HTTP2-Settings",
    b"Sec-WebSocket-Key", b"Date", b"If-Range", b"Keep-Alive", b"Origin",
]  # fmt: skip
VALUES = [
    b"0", b"5", b"-1", b"99999999999999999999", b"chunked", b"gzip, chunked", b"close", b"keep-alive",
    b"100-continue", b"bytes=0-", b"bytes=" + b"0-," * 300, b"h2c", b"websocket", b"", b"\0", b"\xff\xfe",
    b"a" * 9000, b'"', b"*", b"\t", b"session=" + b"x" * 300, b"Basic ====",
    b"multipart/form-data; boundary=b", b"multipart/form-data", b"localhost",
    b"application/x-www-form-urlencoded", b"application/json; charset=\xff", b"a\r\n b", b"a\rb", b"a\nb",
    b"%n%s%x", b"Thu, 01 Jan 1970 00:00:00 GMT", b"${jndi:ldap://x}", b"() { :; }", b"' OR 1=1",
    b"trailers", b"utf-7", b"1" * 400,
]  # fmt: skip
ENDS = [b"\n", b"\r", b"\r\n ", b"", b"\0\r\n", b"\x0b\r\n"]
BODIES = [
    b"", b"", b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"x" * 3000,
    b"\0" * 100, b"--b\r\nContent-Disposition: form-data; name=file; filename=\"\xff\0\"\r\n\r\nx\r\n--b--",
    b"{" * 1000, b"a=" + b"%" * 500, b"5;" + b"e" * 5000 + b"\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n",
]  # fmt: skip


def malformed(dice: random.Random) -> bytes:
    """Return a sound request with one to three faults."""
    start, sound, body = dice.choice(SOUND)
    words = start.split(b" ")
    lines = [b"Host: localhost", b"Connection: close", *sound]
    ends = [b"\r\n"] * 400
    changes: list[tuple[float, bytes | None]] = []
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        match dice.randrange(12):
            case 0:
                words[dice.randrange(3)] = dice.choice(METHODS + TARGETS + VERSIONS)
            case 1:
                words[1] = dice.choice(TARGETS)
            case 2:
                words = [words[0], words[1], dice.choice(VERSIONS)]
            case 3 | 4:
                lines.append(dice.choice(NAMES) + b": " + dice.choice(VALUES))
            case 5:
                at = dice.randrange(len(lines))
                lines[at] = lines[at].partition(b":")[0] + b": " + dice.choice(VALUES)
            case 6:
                lines.insert(dice.randrange(len(lines)), dice.choice(lines))
            case 7:
                lines.pop(dice.randrange(len(lines)))
                lines = lines or [b""]
            case 8:
                ends[dice.randrange(len(lines) + 1)] = dice.choice(ENDS)
            case 9:
                body = dice.choice(BODIES)
            case 10:
                lines += [
                    dice.choice(NAMES) + dice.choice([b":", b" : ", b"", b"\t:"]) + dice.choice(VALUES)
                ] * dice.choice([1, 120])
            case _:
                changes.append((dice.random(), dice.choice([None, dice.randbytes(1), dice.randbytes(9)])))
    head = [b" ".join(words), *lines, b""]
    data = bytearray(b"".join(line + end for line, end in zip(head, ends, strict=False)) + body)
    for place, new in changes:
        at = int(place * len(data))
        data[at : at + (dice.randrange(1, 20) if new is None else dice.randrange(2))] = new or b""
    return bytes(data)


def provoke(data: bytes, place: Place) -> list[Answer]:
    """Send it; return what comes back: the server may answer, close, reset, or wait."""
    try:
        with place.connect() as wire:
            wire.send(data)
            try:
                return wire.answers(seconds=0.2)
            except (TimeoutError, MalformedError):
                return []  # half an answer, or HTTP/0.9's or HTTP/2's: not this test's matter
    except ssl.SSLError:
        return []


def memory(stack: Stack) -> dict[str, float]:
    """Return the memory in MiB of each container that serves, without what the kernel could drop."""
    used = {}
    for container in {stack.front.name: stack.front, stack.app.name: stack.app}.values():
        stats = cast("dict[str, Any]", container.stats(stream=False))["memory_stats"]
        cache = stats["stats"].get("total_inactive_file", stats["stats"].get("inactive_file", 0))
        used[str(container.name)] = (stats["usage"] - cache) / 1024**2
    return used


def oom_kills(stack: Stack) -> list[bool]:
    for container in (stack.front, stack.app):
        container.reload()
    return [container.attrs["State"]["OOMKilled"] for container in (stack.front, stack.app)]


HEALTH_CHECK = re.compile(r"curl|^runc init$")  # Docker's own, as it begins and as it runs


def processes(stack: Stack) -> set[tuple[str, str]]:
    """Return process id and command of all that runs in the containers that serve."""
    found = set()
    for container in (stack.front, stack.app):
        listing = container.top(ps_args="-eo pid,args")["Processes"]
        found |= {(pid, command) for pid, command in listing if not HEALTH_CHECK.search(command)}
    return found


@pytest.mark.production
@pytest.mark.shared
def test_T5_malformed_requests_harm_nobody(stack: Stack) -> None:
    """No 5xx but 501 and 505, which blame the request; no process ends or is added, nothing leaks."""
    seed = int(os.environ.get("FUZZ_SEED", secrets.randbits(32)))
    print(f"FUZZ_SEED={seed}")
    dice = random.Random(seed)
    plain, tls = Place(stack.base_url), Place(stack.tls_url, stack.authority)
    began = time.monotonic()
    statuses: Counter[int] = Counter()
    trailers_are_500 = any(
        one.test == NO_TRAILER and one.concerns(stack.profile.name) for one in differences.declared()
    )

    def fire(number: int) -> None:
        shots = [(malformed(dice), tls if dice.random() < 0.25 else plain) for _ in range(number)]
        with ThreadPoolExecutor(16) as pool:
            for (data, _), answers in zip(shots, pool.map(lambda shot: provoke(*shot), shots), strict=True):
                statuses.update(answer.status for answer in answers)
                allowed = {501, 505, 500} if trailers_are_500 and LAST_CHUNK.search(data) else {501, 505}
                bad = [a.status for a in answers if a.status >= 500 and a.status not in allowed]
                assert not bad, f"FUZZ_SEED={seed}: {bad} for {data!r}"

    fire(WARM_UP)
    before, running = memory(stack), processes(stack)
    fire(REQUESTS)
    grown = {name: round(after - before[name], 1) for name, after in memory(stack).items()}
    took = time.monotonic() - began
    print(f"{dict(sorted(statuses.items()))}; {grown} MiB more; {took:.0f} s")
    assert processes(stack) == running
    assert oom_kills(stack) == [False, False]
    assert max(grown.values()) <= GROWTH_MIB
    assert sum(statuses.values()) > REQUESTS / 2, "most are answered"
    assert plain.ask(request("GET /application/hello HTTP/1.1", "Host: localhost")).text == "Hello World"
    assert took < SECONDS
