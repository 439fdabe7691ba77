"""A streamed answer reaches its client piece by piece, and its work ends with the client (rows C1 and C2)."""

from __future__ import annotations

import re
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived

from tests.site import TOKEN
from tests.stacks import Stack, until

pytestmark = [pytest.mark.shared, pytest.mark.xdist_group("faults")]


@pytest.fixture
def stack(editable: Stack) -> Stack:
    return editable


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


# Whether compression holds a piece back is the front end's doing.
CODINGS = pytest.mark.parametrize(
    "coding",
    [
        "identity",
        "gzip, br, zstd",
        pytest.param("gzip", marks=pytest.mark.front_end),
        pytest.param("br", marks=pytest.mark.front_end),
    ],
)


def pieces(response: httpx.Response, begun: float) -> list[tuple[float, bytes]]:
    """Return what arrived, decoded, and how many seconds after `begun`."""
    return [(time.monotonic() - begun, piece) for piece in response.iter_bytes() if piece]


def comet(client: httpx.Client, coding: str) -> list[tuple[float, bytes]]:
    """Ask for the Comet page's six steps, one each 0.3 s; return its pieces."""
    token = TOKEN.search(client.get("/sijax/hello").text)
    assert token
    form = {"sijax_rq": "count", "sijax_args": "[]", "csrf_token": token[1]}
    begun = time.monotonic()
    with client.stream("POST", "/sijax/hello", data=form, headers={"Accept-Encoding": coding}) as response:
        arrived = pieces(response, begun)
    steps = re.findall(rb"Step (\d) of 5", b"".join(piece for _, piece in arrived))
    assert steps == [b"0", b"1", b"2", b"3", b"4", b"5"]
    return arrived


@CODINGS
def test_C1_stream_arrives_piece_by_piece(stack: Stack, way: Way, coding: str) -> None:
    """The application makes each line only when its client has the one before."""
    name = uuid.uuid4().hex
    path, asked = f"/test/stream?seconds=2&client={name}", {"Accept-Encoding": coding}
    said, lines = 0, ""
    with (
        stack.site as other,
        way.client(stack) as client,
        client.stream("GET", path, headers=asked) as response,
    ):
        for piece in response.iter_text():
            lines += piece
            while said < lines.count("\n"):
                assert other.post(f"/test/stream/{name}").ok
                said += 1
    assert response.http_version == way.protocol
    assert lines.split() == [str(number) for number in range(20)]


@CODINGS
def test_C1_comet_page_arrives_piece_by_piece(stack: Stack, way: Way, coding: str) -> None:
    """Its steps take 1.5 s. Where all is busy, some of them may arrive together."""
    with way.client(stack) as client:
        arrived = comet(client, coding)
    assert arrived[-1][0] - arrived[0][0] > 0.5
    assert len(arrived) >= 3


@pytest.mark.alone
@pytest.mark.shared
def test_C1_first_piece_is_there_within_a_second(stack: Stack, way: Way) -> None:
    with way.client(stack) as client:
        arrived = comet(client, "gzip, br, zstd")
    assert arrived[0][0] < 1 < arrived[-1][0] - arrived[0][0]
    assert len(arrived) >= 5


def test_C1_stream_waits_for_a_client_that_pauses(stack: Stack) -> None:
    """64 MiB: more than is kept anywhere on the way."""
    path = f"/test/stream?seconds=6.4&size={1024**2}"
    with stack.site.get(path, headers={"Accept-Encoding": "identity"}, stream=True) as response:
        arriving = response.iter_content(64 * 1024)
        arrived = len(next(arriving))
        time.sleep(12)
        arrived += sum(map(len, arriving))
    assert arrived == 64 * 1024**2


@contextmanager
def stream_by_http_2(stack: Stack, path: str, coding: str) -> Iterator[Callable[[], None]]:
    """Begin to read a stream; yields what resets it, which httpx does not do. The connection stays."""
    url = urlsplit(stack.tls_url)
    context = stack.http_2_context()
    context.set_alpn_protocols(["h2"])
    asked = {
        ":method": "GET",
        ":scheme": "https",
        ":authority": url.netloc,
        ":path": path,
        "accept-encoding": coding,
    }
    plain = socket.create_connection(("127.0.0.1", stack.tls_port), timeout=10)
    with context.wrap_socket(plain, server_hostname=url.hostname) as wire:
        connection = H2Connection()
        connection.initiate_connection()
        connection.send_headers(1, list(asked.items()), end_stream=True)
        begun = False
        while not begun:
            wire.sendall(connection.data_to_send())
            events = connection.receive_data(wire.recv(65_536))
            begun = any(isinstance(event, DataReceived) for event in events)

        def give_up() -> None:
            connection.reset_stream(1, ErrorCodes.CANCEL)
            wire.sendall(connection.data_to_send())

        yield give_up


@contextmanager
def stream_by_http_1(client: httpx.Client, path: str, coding: str) -> Iterator[Callable[[], None]]:
    """Begin to read a stream; yields what closes the connection."""
    with client.stream("GET", path, headers={"Accept-Encoding": coding}) as response:
        pieces = response.iter_bytes()  # without a name it would be gone at once, and close the connection
        assert next(pieces)
        yield response.close


@CODINGS
def test_C2_work_ends_when_its_client_goes_away(stack: Stack, way: Way, coding: str) -> None:
    def running() -> int:
        return int(stack.site.get("/test/streams").json()["running"])

    path = "/test/stream?seconds=30"
    until(lambda: running() == 0, "nothing streams")
    if way.protocol == "HTTP/2":
        stream = stream_by_http_2(stack, path, coding)
    else:
        stream = stream_by_http_1(way.client(stack), path, coding)
    with stream as give_up:
        assert running() == 1
        give_up()
        until(lambda: running() == 0, "the stream has ended", 5)
