"""L: how much, how long and how slowly a client may send. Nothing large is ever sent: it is announced."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

from verify.check import CLIENT_ERRORS, answered, check, others_than
from verify.checks.truth import FORM
from verify.site import NotCheckedError, Site

SLOW_CLIENTS = 10


@check("L1", "A body over 10 MiB is refused by 413 before it is sent, and the connection closed")
def large_body(site: Site) -> Iterator[str]:
    """Otherwise anybody fills the disk, or holds a worker for the time of an upload."""
    declared = f"Content-Length: {site.figures.body + 1}"
    with site.wire() as wire:
        wire.send(site.head(declared, FORM, method="POST"))
        try:
            answer = wire.answer("POST")
        except TimeoutError:
            yield f"the body is waited for ({declared})"
            return
        if answer is not None and answer.status_code == 413:
            if wire.closes(within=site.figures.patience) is None:
                yield "413, but the connection stays open for the body"
            return
    small = site.ask("Content-Length: 3", FORM, method="POST", body=b"a=b")
    if answer is not None and small is not None and answer.status_code == small.status_code >= 400:
        raise NotCheckedError(f"POST {site.path} is answered by {small.status_code} whatever its size")
    yield f"{declared}: {answered(answer)}"


@check("L2", "A request line, a header or a number of headers beyond the limit is refused")
def large_head(site: Site) -> Iterator[str]:
    """Each costs memory before anybody has looked at the request: 8 KiB and 100 headers are plenty."""
    over = site.figures.field + 1024
    many = [f"X-{number}: a" for number in range(site.figures.fields + 1 - site.own_fields)]
    answers = {
        f"a header of {over} bytes": site.ask("X-Long: " + "a" * over),
        f"a request line of {over} bytes": site.ask(target=f"{site.path}?" + "a" * over),
        f"{site.figures.fields + 1} headers": site.ask(*many),
    }
    yield from others_than(CLIENT_ERRORS, answers)


@check("L2", "A head below the limits is taken")
def ordinary_head(site: Site) -> Iterator[str]:
    """Cookies and long queries of honest visitors must pass: 7 KiB, and 80 headers."""
    below = site.figures.field * 7 // 8
    answers = {
        f"a header of {below} bytes": site.ask("X-Long: " + "a" * below),
        f"a query of {below} bytes": site.ask(target=f"{site.path}?" + "a" * below),
        "80 headers": site.ask(*(f"X-{number}: a" for number in range(80 - site.own_fields))),
    }
    yield from others_than((200,), answers)


@check("L3", "Headers that are not complete in 15 s are given up", slow=True)
def slow_headers(site: Site) -> Iterator[str]:
    """A line now and then holds a connection for ever; some hundred such clients are an outage."""
    limit = site.figures.slow + site.figures.margin
    with site.wire() as wire:
        wire.send(site.head()[:-2])
        if wire.closes(within=limit, drip=b"X-Slow: 1\r\n", every=site.figures.slow / 8) is None:
            yield f"still open after {limit:g} s, with a header now and then"


def body_by(site: Site, drip: bytes, what: str) -> Iterator[str]:
    """Say whether a body that comes so slowly is waited for too long."""
    limit = site.figures.slow + site.figures.margin
    with site.wire() as wire:
        wire.send(site.head("Content-Length: 100000", FORM, method="POST") + b"a=")
        if wire.closes(within=limit, drip=drip, every=site.figures.slow / 15) is None:
            yield f"still open after {limit:g} s {what}"


@check("L3", "A body of which nothing comes for 15 s is given up", slow=True)
def halted_body(site: Site) -> Iterator[str]:
    """A client that has gone, or says so little, would hold a worker for as long as it likes."""
    yield from body_by(site, b"", "without a byte")


@check("L3", "A body slower than 500 B/s for 15 s is given up", slow=True)
def slow_body(site: Site) -> Iterator[str]:
    """A byte a second keeps every time-out between two bytes from ending; the upload would take days."""
    yield from body_by(site, b"a", "at a byte a second")


@check("L3", f"{SLOW_CLIENTS} slow clients do not slow down the site", slow=True)
def slow_clients(site: Site) -> Iterator[str]:
    """They are few: a server that notices them stands still with a hundred.

    Of three visitors one may be late, for a reason of the network's or of this machine; where all wait long
    without slow clients, too, these are given three times as long.
    """
    medians = []
    with ExitStack() as stack:
        for slow in (0, SLOW_CLIENTS):
            for _ in range(slow):
                stack.enter_context(site.wire()).send(site.head()[:-2])
            waits = []
            for _ in range(3):
                started = time.monotonic()
                answer = site.ask()
                waits.append(time.monotonic() - started)
                if answer is None or answer.status_code != 200:
                    yield f"{answered(answer)} after {waits[-1]:.1f} s"
                    return
            medians.append(median(waits))
    alone, wait = medians
    if wait > max(1, 3 * alone):
        yield f"{answered(answer)} after {wait:.1f} s"


@check("L5", "An idle connection is closed after 15 s", slow=True)
def keep_alive(site: Site) -> Iterator[str]:
    """Who has left holds longer ones; with shorter ones each click of a reader needs a new handshake."""
    expected, margin = site.figures.keep_alive, site.figures.margin
    with site.wire() as wire:
        wire.send(site.head())
        if (answer := wire.answer()) is None:
            yield answered(answer)
            return
        closed = wire.closes(within=expected + margin, every=expected + margin)
    if closed is None:
        yield f"still open after {expected + margin:g} s"
    elif closed < expected - margin:
        yield f"closed after {closed:.1f} s"
