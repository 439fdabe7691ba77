"""What a client may ask for, and for how long: sizes, slowness, idleness, attempts (rows L1 to L6).

The slow clients of L3 and L5 start together with the first test of them, side by side.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx
import pytest
from docker.models.containers import Container
from h2.errors import ErrorCodes

from tests.site import Site
from tests.stacks import Stack, until
from tests.wire import Answer, Place, request

pytestmark = [pytest.mark.shared, pytest.mark.xdist_group("faults")]

LIMIT = 10 * 1024 * 1024  # bytes of a body
LINE = 8 * 1024  # bytes of a request line, and of a header
HEADERS = 100
PER_MINUTE = 10  # attempts to log in
# Each profile runs views in 2 processes with 4 threads.
PROCESSES, THREADS = 2, 8

production = pytest.mark.production
shared = pytest.mark.shared


@pytest.fixture(scope="module")
def stack(editable: Stack) -> Stack:
    return editable


# ---- L3 and L5: slow and idle clients ----


@dataclass(frozen=True)
class Client:
    """One that sends `opening`, and then `piece` each so many seconds, as long as it is let."""

    opening: bytes
    piece: bytes = b""
    seconds: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What became of a client: what it was told, and when the server closed its connection.

    Seconds since it began, and since it was last told something; None where it was not closed.
    """

    answer: bytes
    closed_after: float | None
    idle_for: float | None


PATIENCE = 27.0  # seconds: how long a client goes on
POST = ("POST /test/echo HTTP/1.1", "Host: localhost")
HEADERS_BEGIN = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
SLOW = {
    "silence": Client(b""),
    "dripping header": Client(HEADERS_BEGIN + b"X-Slow: ", b"x"),
    "stopped header": Client(HEADERS_BEGIN + b"X-Slow: "),
    "header after header": Client(HEADERS_BEGIN, b"X-Slow: x\r\n"),
    "stopped body": Client(request(*POST, "Content-Length: 1000000", body=b"x" * 1000)),
}
SLOW_BODIES = {
    "10 bytes per s": Client(request(*POST, "Content-Length: 1000000"), b"x" * 10),
    "100 bytes per s": Client(request(*POST, "Content-Length: 1000000"), b"x" * 50, 0.5),
}
# The first bytes of a ClientHello that says it has 512.
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
HANDSHAKES = {"silence": Client(b""), "stopped": Client(HELLO), "dripping": Client(HELLO, b"\0")}
IDLE = {
    "app": Client(request("GET /application/hello HTTP/1.1", "Host: localhost")),
    "static": Client(request("GET /static/site.css HTTP/1.1", "Host: localhost")),
}
FAIR_BYTES = 20_000  # by 1 kB/s: longer than a server waits
FAIR = Client(request(*POST, f"Content-Length: {FAIR_BYTES}", "Connection: close"), b"x" * 250, 0.25)


def be(client: Client, place: Place) -> Outcome:
    """Be `client`, until the server closes or patience ends."""
    answer, next_piece, begun = b"", client.seconds, time.monotonic()
    told = begun
    with place.connect() as wire, suppress(ConnectionError, ssl.SSLEOFError):
        wire.socket.sendall(client.opening)
        while (elapsed := time.monotonic() - begun) < PATIENCE:
            if elapsed >= next_piece:
                wire.socket.sendall(client.piece)
                next_piece += client.seconds
            wire.socket.settimeout(max(next_piece - elapsed, 0.01))
            with suppress(TimeoutError):
                received = wire.socket.recv(65_536)
                if not received:
                    break
                answer += received
                told = time.monotonic()
    closed = time.monotonic()
    if closed - begun >= PATIENCE:
        return Outcome(answer, None, None)
    return Outcome(answer, closed - begun, closed - told)


Outcomes = dict[tuple[str, str], Future[Outcome]]


@pytest.fixture(scope="module")
def outcomes(stack: Stack) -> Iterator[Outcomes]:
    """Start all slow clients; their futures by the address that they use, and their name."""
    plain, tls = Place(stack.base_url), Place(stack.tls_url, stack.authority)
    raw = Place(f"http://127.0.0.1:{stack.tls_port}/")
    clients = {
        **SLOW,
        **SLOW_BODIES,
        **{f"idle {name}": client for name, client in IDLE.items()},
        "fair": FAIR,
    }
    wanted = [(place, name, client) for place in (plain, tls) for name, client in clients.items()]
    wanted += [(raw, name, client) for name, client in HANDSHAKES.items()]
    with ThreadPoolExecutor(len(wanted)) as pool:
        yield {(place.url, name): pool.submit(be, client, place) for place, name, client in wanted}


def closed_after(outcomes: Outcomes, place: Place, name: str) -> float:
    """Return when the server closed a client's connection, in seconds."""
    seconds = outcomes[place.url, name].result().closed_after
    assert seconds is not None, f"{name}: still open after {PATIENCE} s"
    return seconds


@production
@shared
@pytest.mark.parametrize("client", SLOW)
def test_L3_slow_client_is_closed(place: Place, outcomes: Outcomes, client: str) -> None:
    """All headers have 15 s together; a body may pause for 15 s."""
    assert 12 <= closed_after(outcomes, place, client) <= 20
    answer = outcomes[place.url, client].result().answer.decode()
    assert not answer or ("<title>408 Request Timeout · Flask, deployed" in answer and " 408 " in answer)


@production
@shared
@pytest.mark.parametrize("client", SLOW_BODIES)
def test_L3_body_slower_than_500_bytes_per_s_is_closed(place: Place, outcomes: Outcomes, client: str) -> None:
    assert closed_after(outcomes, place, client) <= 25


@production
@shared
@pytest.mark.parametrize("client", HANDSHAKES)
def test_L3_unfinished_handshake_is_closed(stack: Stack, outcomes: Outcomes, client: str) -> None:
    place = Place(f"http://127.0.0.1:{stack.tls_port}/")
    assert 12 <= closed_after(outcomes, place, client) <= 20


@production
@shared
def test_L3_slow_but_fair_client_is_served(place: Place, outcomes: Outcomes) -> None:
    outcome = outcomes[place.url, "fair"].result()
    assert outcome.answer.startswith(b"HTTP/1.1 200 ")
    assert f'"body_length":{FAIR_BYTES}'.encode() in outcome.answer.replace(b" ", b"")


def wait_of_a_visitor(site: Site, path: str) -> float:
    """Return the seconds that the second quickest of three visitors waits; all have their answer within 5 s.

    What else this machine does may delay one.
    """

    def visit() -> float:
        begun = time.monotonic()
        assert site.get(path, headers={"Connection": "close"}, timeout=5).ok
        return time.monotonic() - begun

    return median(visit() for _ in range(3))


@production
@pytest.mark.parametrize("kind", ["dripping header", "stopped body"])
def test_L3_200_slow_clients_do_not_keep_others_waiting(stack: Stack, place: Place, kind: str) -> None:
    with ExitStack() as cleanup:
        for _ in range(200):
            wire = cleanup.enter_context(place.connect())
            wire.send(SLOW[kind].opening)
        for site in (stack.site, stack.tls_site):
            for path in ("/application/hello", "/static/site.css"):
                assert wait_of_a_visitor(site, path) < 1


@production
def test_L3_clients_that_do_not_read_keep_nobody_waiting(stack: Stack, place: Place) -> None:
    """More of them than there are threads; each asks for more than the kernels keep for a connection.

    They come past Docker's proxy, which would read for them.
    """
    site = stack.site
    direct = Place(f"{'https' if place.authority else 'http'}://{stack.front_address}", place.authority)
    assert site.submit(
        "/uploads/upload", "/uploads/uploader", files={"file": ("long.bin", bytes(8 * 1024**2))}
    ).ok
    with ExitStack() as cleanup:
        for _ in range(THREADS + 4):
            wire = cleanup.enter_context(direct.connect("localhost"))
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.send(request("GET /uploads/files/long.bin HTTP/1.1", f"Host: {place.host}"))
        assert wait_of_a_visitor(site, "/application/hello") < 1


@production
@shared
@pytest.mark.parametrize("client", IDLE)
def test_L5_idle_connection_is_closed(place: Place, outcomes: Outcomes, client: str) -> None:
    outcome = outcomes[place.url, f"idle {client}"].result()
    assert outcome.answer.startswith(b"HTTP/1.1 200 ")
    assert outcome.idle_for is not None, f"still open after {PATIENCE} s"
    assert 14 <= outcome.idle_for <= 18


VISITORS = 1024  # at once: twice what nginx and Apache have room for by default


@production
@pytest.mark.parametrize("path", ["/application/hello", "/static/site.css"])
def test_L5_1024_visitors_at_once_are_all_answered(stack: Stack, path: str) -> None:
    place = Place(stack.base_url)
    asked = request(f"GET {path} HTTP/1.1", "Host: localhost")
    with ExitStack() as cleanup:
        wires = [cleanup.enter_context(place.connect()) for _ in range(VISITORS)]
        assert all(wire.send(asked) for wire in wires)
        answers = Counter(answer and answer.status for answer in (wire.answer("GET", 30) for wire in wires))
    assert answers == {200: VISITORS}


# ---- L1: bodies ----


@production
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_L1_larger_body_is_refused_before_it_is_sent(place: Place, accept: str) -> None:
    with place.connect() as wire:
        wire.send(request(*POST, f"Content-Length: {LIMIT + 1}", f"Accept: {accept}"))
        answer = wire.answer("POST", seconds=5)
        assert answer
        assert wire.closes(35)
    assert answer.status == 413
    assert answer["Content-Type"].startswith(accept)
    assert "413" in answer.text


@production
def test_L1_client_that_sends_all_of_a_larger_body_can_read_the_answer(place: Place) -> None:
    with place.connect() as wire:
        assert wire.send(request(*POST, f"Content-Length: {11 * 1024 * 1024}"))
        # By TLS, who has heard the server's last word can send no more.
        assert all(wire.send(bytes(1024 * 1024)) for _ in range(11)) or place.authority
        answer = wire.answer("POST")
    assert answer
    assert answer.status == 413


@production
def test_L1_larger_body_is_refused_over_http_2(stack: Stack) -> None:
    command = (
        "head -c 11534336 /dev/zero | curl -sk --http2 --max-time 20 --data-binary @- -H Expect: "
        "-o /dev/null -w '%{http_version} %{http_code}' https://localhost/test/echo"
    )
    assert stack.execute(stack.front, "sh", "-c", command).split() == ["2", "413"]


@production
def test_L1_larger_body_never_reaches_the_app(stack: Stack) -> None:
    """With every process of the app held, the answer comes all the same."""
    with stack.app_stopped():
        answer = Place(stack.base_url).ask(request(*POST, f"Content-Length: {LIMIT + 1}"), "POST", seconds=5)
    assert answer.status == 413


def test_L1_larger_chunked_body_is_refused(stack: Stack) -> None:
    with Place(stack.base_url).connect() as wire:
        wire.send(request(*POST, "Transfer-Encoding: chunked"))
        # It may stop reading where the limit is.
        all(wire.send(b"100000\r\n" + bytes(1024 * 1024) + b"\r\n") for _ in range(11))
        wire.send(b"0\r\n\r\n")
        answer = wire.answer("POST")
    assert answer
    assert answer.status == 413


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_L1_body_just_under_the_limit_is_taken(stack: Stack, chunked: bool) -> None:
    body = bytes(LIMIT - 1)
    answer = stack.site.post("/test/echo", data=iter([body]) if chunked else body)
    assert answer.status_code == 200
    assert answer.json()["body_length"] == LIMIT - 1


@pytest.mark.parametrize(
    "form",
    [
        {"files": {"text": (None, "x" * 600_000)}},
        {"data": {"text": "x" * 600_000}},
        {"files": [(f"field{number}", (None, "x")) for number in range(1001)]},
    ],
    ids=["field", "urlencoded", "parts"],
)
def test_L1_form_over_flasks_own_limits_is_refused(stack: Stack, form: dict[str, Any]) -> None:
    """500 kB of fields that are no files, 1,000 parts: these are held in memory."""
    assert stack.site.post("/uploads/uploader", **form).status_code == 413


# ---- L2: request line and headers ----

PATHS = pytest.mark.parametrize("path", ["/application/hello", "/static/site.css"], ids=["app", "static"])


def is_status(status: int, *, refused: bool) -> bool:
    return 400 <= status < 500 if refused else status == 200


@production
@PATHS
@pytest.mark.parametrize("over", [-100, 100])
def test_L2_request_line_has_8_kib(place: Place, path: str, over: int) -> None:
    line = f"GET {path}?x= HTTP/1.1"
    line = line.replace("x=", "x=" + "a" * (LINE + over - len(line)))
    assert is_status(place.ask(request(line, "Host: localhost")).status, refused=over > 0)


@production
@PATHS
@pytest.mark.parametrize("over", [-100, 100])
def test_L2_header_has_8_kib(place: Place, path: str, over: int) -> None:
    header = "X-Large: " + "a" * (LINE + over - len("X-Large: "))
    answer = place.ask(request(f"GET {path} HTTP/1.1", "Host: localhost", header))
    assert is_status(answer.status, refused=over > 0)


@production
@PATHS
def test_L2_limit_is_of_each_header_and_not_of_their_sum(place: Place, path: str) -> None:
    large = [f"X-Large-{number}: {'a' * 7000}" for number in range(2)]
    assert place.ask(request(f"GET {path} HTTP/1.1", "Host: localhost", *large)).status == 200


@production
@PATHS
@pytest.mark.parametrize("number", [HEADERS, HEADERS + 1])
def test_L2_request_has_100_headers(place: Place, path: str, number: int) -> None:
    headers = ["Host: localhost", *(f"X-Header-{n}: x" for n in range(number - 1))]
    answer = place.ask(request(f"GET {path} HTTP/1.1", *headers))
    assert is_status(answer.status, refused=number > HEADERS)


@production
@PATHS
# X: it takes a byte in HPACK's code, too.
@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?x=" + "X" * (LINE + 100), {}),
        ("", {"X-Large": "X" * (LINE + 100)}),
        ("", {f"X-Header-{number}": "x" for number in range(HEADERS + 1)}),
    ],
    ids=["line", "header", "headers"],
)
def test_L2_limits_hold_over_http_2(stack: Stack, path: str, query: str, headers: dict[str, str]) -> None:
    """A server may end the connection instead (ENHANCE_YOUR_CALM: RFC 9113, 10.5.1)."""
    with stack.http_2() as client:
        fewer = client.get(path, headers={f"X-Header-{number}": "x" for number in range(80)})
        assert (fewer.http_version, fewer.status_code) == ("HTTP/2", 200)
        try:
            status = client.get(path + query, headers=headers).status_code
        except httpx.RemoteProtocolError as refusal:
            calm = f"error_code:{ErrorCodes.ENHANCE_YOUR_CALM:d}" in str(refusal)
            status = 400 if calm else 0
        assert is_status(status, refused=True)


# ---- L6: attempts ----

# Run in a container of its own, which is a client address of its own: logs in wrongly, 16 at once, each by a
# connection of its own; prints a list of [status, Retry-After, process that answered].
ATTEMPTS = """
import http.client, json, re, sys
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from urllib.parse import urlencode

host, path, number = sys.argv[1], sys.argv[2], int(sys.argv[3])

def ask(method, body=None, **headers):
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request(method, path, body, {"Host": "localhost", **headers})
    response = connection.getresponse()
    page = response.read().decode()
    connection.close()
    return response, page

response, page = ask("GET")
cookie = response.headers["Set-Cookie"].partition(";")[0]
token = unescape(re.search('name="csrf_token"[^>]*value="([^"]+)"', page)[1])
form = urlencode({"csrf_token": token, "username": "nobody", "password": "wrong"})

def attempt(_):
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    response, page = ask("POST", form, **headers)
    process = re.search(r"process <b>(\\d+)</b>", page)  # a redirect has no page
    return response.status, response.headers["Retry-After"], process and process[1]

with ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(attempt, range(number)))))
"""


@contextmanager
def visitors(stack: Stack, number: int) -> Iterator[list[Container]]:
    """Start containers in the stack's network, each a client address of its own."""
    with ExitStack() as cleanup:
        containers = []
        for _ in range(number):
            container = stack.docker.containers.run(
                stack.image_name("migrate"), ["sleep", "300"], network=f"{stack.name}_default", detach=True
            )
            cleanup.callback(container.remove, force=True)
            containers.append(container)
        yield containers


@pytest.mark.parametrize(("path", "answer"), [("/flashing/login", 200), ("/sessions/login", 302)])
def test_L6_attempts_are_counted_over_all_processes_for_each_client(
    stack: Stack, path: str, answer: int
) -> None:
    with visitors(stack, 2) as clients:
        for client in clients:
            command = ["python3", "-c", ATTEMPTS, stack.profile.front, path, "40"]
            attempts = json.loads(stack.execute(client, *command))
            statuses = Counter(status for status, _, _ in attempts)
            assert statuses == {answer: PER_MINUTE, 429: 40 - PER_MINUTE}
            assert all(1 <= int(wait) <= 60 for status, wait, _ in attempts if status == 429)
            processes = {process for _, _, process in attempts if process}
            assert len(processes) == (1 if stack.profile.name == "dev" else PROCESSES)


# ---- L4 and more of L5 ----


@production
def test_L4_slow_views_leave_the_last_thread_to_others(stack: Stack) -> None:
    """Whichever process the slow ones went to: none takes more than its threads, while the other idles."""
    slow = "/test/wait?seconds=15"
    with ThreadPoolExecutor(THREADS - 1) as pool:
        views = [pool.submit(stack.site.get, slow) for _ in range(THREADS - 1)]
        until(lambda: stack.site.get("/test/streams").json()["running"] == len(views), "all are at work", 10)
        assert [stack.site.get("/", timeout=4).status_code for _ in range(20)] == [200] * 20
        assert not any(view.done() for view in views)
        assert [view.result().status_code for view in views] == [200] * len(views)


@production
def test_L4_more_visitors_at_once_than_threads_wait_for_their_turn(stack: Stack) -> None:
    """200: as many as a page may have that is talked about."""
    with ThreadPoolExecutor(200) as pool:
        views = [pool.submit(stack.site.get, "/test/wait?seconds=0.1") for _ in range(200)]
    assert Counter(view.result().status_code for view in views) == {200: 200}


@dataclass(frozen=True)
class Waited:
    """How a view that is too slow was answered, and after how many seconds."""

    answer: Answer
    seconds: float


@pytest.fixture(scope="module")
def too_slow(stack: Stack) -> Iterator[list[Future[Waited]]]:
    """Ask each thread for 75 s; in HTML and in JSON by turns."""
    accept = ("text/html", "application/json")

    def ask(number: int) -> Waited:
        begun = time.monotonic()
        line = "GET /test/wait?seconds=75 HTTP/1.1"
        asked = request(line, "Host: localhost", f"Accept: {accept[number % 2]}", "Connection: close")
        answer = Place(stack.base_url).ask(asked, seconds=80)
        return Waited(answer, time.monotonic() - begun)

    with ThreadPoolExecutor(THREADS) as pool:
        yield [pool.submit(ask, number) for number in range(THREADS)]


@production
def test_L5_1000_idle_connections_keep_nobody_waiting_and_are_closed(
    stack: Stack, too_slow: list[Future[Waited]]
) -> None:
    """While the views of L4 keep all threads: a front end's own connections are what counts here."""
    plain = Place(stack.base_url)
    asked = IDLE["static"].opening
    with ExitStack() as cleanup:
        wires = []
        for _ in range(1000):
            wires.append(cleanup.enter_context(plain.connect()))
            wires[-1].send(asked)
        for site in (stack.site, stack.tls_site):
            assert wait_of_a_visitor(site, "/static/site.css") < 2
        deadline = time.monotonic() + 20
        assert all(wire.closes(max(deadline - time.monotonic(), 0.1)) for wire in wires)
    assert not any(view.done() for view in too_slow)


@production
def test_L4_view_over_60_s_is_answered_504_and_its_thread_is_free_again(
    stack: Stack, too_slow: list[Future[Waited]]
) -> None:
    waited = [view.result() for view in too_slow]
    until(lambda: len(stack.workers()) == PROCESSES, "all processes serve again", 40)
    assert [view.answer.status for view in waited] == [504] * THREADS
    assert all(58 <= view.seconds <= 65 for view in waited)
    for number, mime in enumerate(("text/html", "application/json")):
        for view in waited[number::2]:
            assert view.answer["Content-Type"].startswith(mime)
            assert ("504 Gateway Timeout · Flask, deployed" in view.answer.text) == (mime == "text/html")
            assert int(view.answer["Retry-After"]) > 0
