"""A streamed answer reaches its client piece by piece, and its work ends with the client (rows C1 and C2)."""

from __future__ import annotations

import re
import ssl
import time
from dataclasses import dataclass

import httpx
import pytest

from tests.site import TOKEN
from tests.stacks import Stack, until


@dataclass(frozen=True)
class Way:
    """How a client asks."""

    protocol: str
    tls: bool

    def client(self, stack: Stack) -> httpx.Client:
        """Return a visitor who comes this way, and sees an answer's pieces decoded."""
        if self.protocol == "HTTP/2":
            client = stack.http_2()
        elif self.tls:
            client = httpx.Client(
                verify=ssl.create_default_context(cafile=stack.authority), base_url=stack.tls_url
            )
        else:
            client = httpx.Client(base_url=stack.base_url)
        client.headers["Referer"] = str(client.base_url)
        return client


@pytest.fixture(
    params=[
        Way("HTTP/1.1", tls=False),
        pytest.param(Way("HTTP/1.1", tls=True), marks=pytest.mark.production),
        pytest.param(Way("HTTP/2", tls=True), marks=pytest.mark.production),
    ],
    ids=lambda way: f"{way.protocol}{' by TLS' if way.tls else ''}",
)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param  # type: ignore[no-any-return]


CODINGS = pytest.mark.parametrize("coding", ["identity", "gzip", "br", "gzip, br, zstd"])


def pieces(response: httpx.Response, begun: float) -> list[tuple[float, bytes]]:
    """Return what arrived, decoded, and how many seconds after `begun`."""
    return [(time.monotonic() - begun, piece) for piece in response.iter_bytes() if piece]


@CODINGS
def test_C1_stream_arrives_piece_by_piece(stack: Stack, way: Way, coding: str) -> None:
    """20 lines, one each 0.1 s."""
    with way.client(stack) as client:
        client.get("/healthz")  # connected
        begun = time.monotonic()
        asked = {"Accept-Encoding": coding}
        with client.stream("GET", "/test/stream?seconds=2", headers=asked) as response:
            arrived = pieces(response, begun)
    assert response.http_version == way.protocol
    assert b"".join(piece for _, piece in arrived).split() == [b"%d" % number for number in range(20)]
    assert arrived[0][0] < 1
    assert arrived[-1][0] - arrived[0][0] > 1
    assert len(arrived) >= 10


@CODINGS
def test_C1_comet_page_arrives_piece_by_piece(stack: Stack, way: Way, coding: str) -> None:
    """Six steps, one each 0.3 s."""
    with way.client(stack) as client:
        token = TOKEN.search(client.get("/sijax/hello").text)
        assert token
        form = {"sijax_rq": "count", "sijax_args": "[]", "csrf_token": token[1]}
        begun = time.monotonic()
        asked = {"Accept-Encoding": coding}
        with client.stream("POST", "/sijax/hello", data=form, headers=asked) as response:
            arrived = pieces(response, begun)
    steps = re.findall(rb"Step (\d) of 5", b"".join(piece for _, piece in arrived))
    assert steps == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert arrived[0][0] < 1
    assert arrived[-1][0] - arrived[0][0] > 1
    assert len(arrived) >= 5


@CODINGS
def test_C2_work_ends_when_its_client_goes_away(stack: Stack, way: Way, coding: str) -> None:
    def running() -> int:
        return int(stack.site.get("/test/streams").json()["running"])

    until(lambda: running() == 0, "nothing streams")
    with way.client(stack) as client:
        asked = {"Accept-Encoding": coding}
        with client.stream("GET", "/test/stream?seconds=30", headers=asked) as response:
            assert next(response.iter_bytes())
            assert running() == 1
        # By HTTP/2 the connection goes on: the stream alone was given up.
        until(lambda: running() == 0, "the stream has ended", 5)
