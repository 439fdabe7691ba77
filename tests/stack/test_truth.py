"""Rows T1 to T4, T6 and T7: what the app believes of a request is what the client did, not what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from uuid import uuid4

import pytest
from docker.errors import APIError
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from tests.echo import Echo, echo
from tests.inside import log_lines, run_inside
from tests.profiles import PRODUCTION
from tests.stacks import Stack, until
from tests.wire import Place, request

SPOOFED = "203.0.113.7"
TRUSTED = ip_network(
    "198.51.100.0/24"
)  # named in the site files as the front proxy's; nobody has it (RFC 5737)
pytestmark = pytest.mark.front_end
NAMES = ["http", pytest.param("https", marks=pytest.mark.production)]

NEIGHBOUR = """
import json, pathlib, sys
sys.path.insert(0, "/mnt")
from wire import Place, request
url, *lines = sys.argv[1:]
with Place(url, pathlib.Path("/mnt/certs/ca.pem")).connect(name="localhost") as wire:
    wire.send(request("GET /test/echo HTTP/1.1", *lines))
    print(json.dumps([wire.socket.getsockname()[0], wire.answer().json()]))
"""


@pytest.fixture(scope="module")
def neighbour(stack: Stack) -> Iterator[Container]:
    """Run a client with an address of its own: what the host sends comes from Docker's gateway."""
    wire = Path(__file__).parents[1] / "wire.py"
    container = stack.docker.containers.run(
        stack.image_name("migrate"), ["sleep", "infinity"],
        network=f"{stack.name}_default", detach=True, init=True,
        volumes={str(wire): {"bind": "/mnt/wire.py", "mode": "ro,z"},
                 str(stack.authority.parent): {"bind": "/mnt/certs", "mode": "ro,z"}},
    )  # fmt: skip
    try:
        yield container
    finally:
        container.remove(force=True)


def ask(neighbour: Container, url: str, *lines: str) -> tuple[str, dict[str, object]]:
    """Have the neighbour ask for the echo; return its own address there, and what the app saw."""
    code, output = run_inside(neighbour, ["python3", "-c", NEIGHBOUR, url, *lines])
    assert code == 0, output
    own, seen = json.loads(output)
    return own, seen


def network_in(stack: Stack) -> Network:
    """Make a network inside the trusted one; tests that run beside this one may have others of it."""
    for subnet in reversed(list(TRUSTED.subnets(new_prefix=28))):
        try:
            return stack.docker.networks.create(
                f"{stack.name}_trusted-{uuid4().hex[:4]}",
                internal=True,
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))]),
            )
        except APIError as taken:
            if "overlaps" not in str(taken):
                raise
    raise AssertionError(f"all of {TRUSTED} is in use: docker network ls")


@pytest.fixture(scope="module")
def front_proxy(stack: Stack, neighbour: Container) -> Iterator[str]:
    """Make the neighbour a trusted front proxy, too; return the front end's address on that side."""
    network = network_in(stack)
    try:
        network.connect(stack.front)
        network.connect(neighbour)
        network.reload()
        yield network.attrs["Containers"][stack.front.id]["IPv4Address"].partition("/")[0]
    finally:
        for container in network.containers:
            network.disconnect(container, force=True)
        network.remove()


def accounts(place: Place, path: str = "/request/inspect") -> dict[str, object]:
    """Return what the app tells a client of the request, as any site would."""
    answer = place.ask(request(f"GET {path} HTTP/1.1", f"Host: {place.host}", "Accept: application/json"))
    assert answer.status == 200
    told: dict[str, object] = answer.json()
    return told


# ---- T1: address, scheme, host, port ----


@pytest.mark.parametrize("scheme", NAMES)
def test_T1_app_sees_the_clients_own_address(stack: Stack, neighbour: Container, scheme: str) -> None:
    own, seen = ask(neighbour, f"{scheme}://{stack.profile.front}/", "Host: localhost")
    assert (seen["client"], seen["scheme"], seen["host"]) == (own, scheme, "localhost")


def test_T1_app_sees_scheme_host_and_port_of_the_client(place: Place) -> None:
    seen = echo(place)
    scheme, _, port = place.url.rstrip("/").replace("://", ":").split(":")
    assert (seen["scheme"], seen["host"]) == (scheme, place.host)
    # The port that the client used, or that which it reached behind Docker's.
    assert seen["port"] in {port, "443" if scheme == "https" else "80"}


def test_T1_external_addresses_keep_scheme_and_port(place: Place) -> None:
    told = accounts(place)
    assert (told["url"], told["root"]) == (f"{place.url}request/inspect", place.url)


def test_T1_redirects_keep_scheme_and_port(place: Place) -> None:
    """The missing slash is Flask's redirect; it may be relative, but never lead elsewhere."""
    answer = place.ask(request("GET /variables/python?a=b HTTP/1.1", f"Host: {place.host}"))
    assert answer.status == 308
    assert answer["Location"] in {"/variables/python/?a=b", f"{place.url}variables/python/?a=b"}


# ---- T2: what a client says of itself ----

SAID = [
    ("X-Forwarded-For", SPOOFED),
    ("X-Forwarded-Proto", "gopher"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "4711"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-Server", "evil.example"),
    ("X-Forwarded-By", SPOOFED),
    ("X-Forwarded-Ssl", "evil"),
    ("X-Forwarded-Protocol", "ssl"),
    ("X-Real-IP", SPOOFED),
    ("Forwarded", f"for={SPOOFED};proto=gopher;host=evil.example"),
    ("Proxy", "http://evil.example/"),
]


def arrived(seen: Echo, *said: str) -> list[object]:
    """Return the headers with one of these values that reached the app; an id may hold one by chance."""
    values = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, said))})(?!\w)")
    return [pair for pair in seen["headers"] if values.search(pair[1])]


@pytest.mark.production
@pytest.mark.parametrize(("name", "value"), SAID, ids=[name for name, _ in SAID])
def test_T2_what_a_client_says_of_itself_does_not_arrive(place: Place, name: str, value: str) -> None:
    honest = echo(place)
    for lines in (
        [f"{name}: {value}"],
        [f"{name.lower()}:{value}"],
        [f"{name.upper()}:\t{value}"],
        [f"{name}: {value}", f"{name}: {value}"],
    ):
        seen = echo(place, *lines)
        assert arrived(seen, value) == []
        believed = "client", "scheme", "host", "port", "script_name", "path_info"
        assert [seen[key] for key in believed] == [honest[key] for key in believed]


@pytest.mark.production
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_T2_forwarded_scheme_is_not_believed(place: Place, scheme: str) -> None:
    assert echo(place, f"X-Forwarded-Proto: {scheme}")["scheme"] == place.url.partition(":")[0]


@pytest.mark.production
@pytest.mark.parametrize(
    "name",
    [
        "X_Forwarded_For",
        "X_Forwarded-For",
        "X-Forwarded_Proto",
        "X_Real_IP",
        "X_Request_ID",
        "Script_Name",
        "_X",
    ],
)
def test_T2_names_with_underscores_do_not_arrive(place: Place, name: str) -> None:
    """In CGI's names they cannot be told from those with a hyphen."""
    answer = place.ask(request("GET /test/echo HTTP/1.1", f"Host: {place.host}", f"{name}: spoofed"))
    assert answer.status in {200, 400}
    assert "spoofed" not in answer.text


@pytest.mark.production
def test_T2_connection_cannot_take_away_what_the_front_end_says(place: Place) -> None:
    """Headers named in Connection end at a proxy (RFC 9110, 7.6.1): those that it sets itself must not."""
    honest = echo(place)
    listed = "X-Forwarded-For, X-Forwarded-Proto, X-Request-ID, Host, close"
    seen = echo(place, f"Connection: {listed}", f"X-Forwarded-For: {SPOOFED}")
    for key in ("client", "scheme", "host", "port"):
        assert seen[key] == honest[key]
    assert seen.header("X-Request-ID")


MALFORMED_IDS = {
    "word": "spoofed",
    "empty": "",
    "short": "a" * 31,
    "long": "a" * 33,
    "not hex": "g" * 32,
    "braces": "{123e4567-e89b-12d3-a456-426614174000}",
    "dashes elsewhere": "123e4567e89b-12d3-a456-4266-14174000",
    "dashes missing": "123e4567-e89b-12d3-a456426614174000",
    "list": f"{'a' * 32}, {'b' * 32}",
    "quotes": f'"{"a" * 32}',
    "space within": f"{'a' * 16} {'a' * 16}",
    "text after": f"{'a' * 32}<script>",
    "Latin-1": "é" * 32,
    "very long": "a" * 4000,
}


@pytest.mark.parametrize("said", MALFORMED_IDS.values(), ids=MALFORMED_IDS.keys())
def test_T2_malformed_request_id_is_replaced(stack: Stack, place: Place, said: str) -> None:
    seen = echo(place, f"X-Request-ID: {said}")
    made = seen.answer["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    if stack.profile.name in PRODUCTION:
        assert seen.header("X-Request-ID") == [made]


@pytest.mark.production
def test_T2_two_request_ids_are_none(place: Place) -> None:
    """One goes on, whichever: never both, joined by a comma."""
    seen = echo(place, f"X-Request-ID: {'a' * 32}", f"X-Request-ID: {'b' * 32}")
    assert re.fullmatch("[0-9a-f]{32}", seen.answer["X-Request-ID"])
    assert seen.header("X-Request-ID") == [seen.answer["X-Request-ID"]]


# ---- T3: a front proxy ----


@pytest.mark.production
@pytest.mark.parametrize("scheme", NAMES)
def test_T3_address_behind_a_trusted_front_proxy_is_used(
    neighbour: Container, front_proxy: str, scheme: str
) -> None:
    own, seen = ask(neighbour, f"{scheme}://{front_proxy}/", "Host: localhost", f"X-Forwarded-For: {SPOOFED}")
    assert (seen["client"], seen["scheme"]) == (SPOOFED, scheme)
    assert own in {str(address) for address in TRUSTED}


@pytest.mark.production
@pytest.mark.parametrize("name", ["Forwarded-For", "X-Real-IP", "True-Client-IP", "Client-IP"])
def test_T3_front_proxy_is_believed_in_one_header_alone(
    neighbour: Container, front_proxy: str, name: str
) -> None:
    """In another it passes on what its own client wrote."""
    own, seen = ask(neighbour, f"http://{front_proxy}/", "Host: localhost", f"{name}: {SPOOFED}")
    assert seen["client"] == own


@pytest.mark.production
def test_T3_only_the_last_address_is_the_front_proxys_own_word(
    neighbour: Container, front_proxy: str
) -> None:
    """A front proxy appends; what stands before was the visitor's own claim."""
    said = f"X-Forwarded-For: 198.51.100.9, {SPOOFED}"
    assert ask(neighbour, f"http://{front_proxy}/", "Host: localhost", said)[1]["client"] == SPOOFED


@pytest.mark.production
def test_T3_trusted_proxies_in_a_row_are_passed_over(neighbour: Container, front_proxy: str) -> None:
    """A CDN's inner and outer nodes: both are in the network."""
    said = f"X-Forwarded-For: 198.51.100.9, {SPOOFED}, {TRUSTED[-2]}"
    assert ask(neighbour, f"http://{front_proxy}/", "Host: localhost", said)[1]["client"] == SPOOFED


@pytest.mark.production
@pytest.mark.parametrize("said", ["", "unknown", "<script>", "1.2.3.4.5", "203.0.113.7:443x"])
def test_T3_nonsense_from_a_front_proxy_leaves_its_own_address(
    neighbour: Container, front_proxy: str, said: str
) -> None:
    own, seen = ask(neighbour, f"http://{front_proxy}/", "Host: localhost", f"X-Forwarded-For: {said}")
    assert seen["client"] == own


@pytest.mark.production
def test_T3_address_said_by_anybody_else_is_not_used(stack: Stack, neighbour: Container) -> None:
    url = f"http://{stack.profile.front}/"
    own, seen = ask(neighbour, url, "Host: localhost", f"X-Forwarded-For: {SPOOFED}, {TRUSTED[1]}")
    assert seen["client"] == own


@pytest.mark.production
def test_T3_access_log_names_the_client_behind_the_front_proxy(
    stack: Stack, neighbour: Container, front_proxy: str
) -> None:
    given = uuid4().hex
    lines = "Host: localhost", f"X-Forwarded-For: {SPOOFED}", f"X-Request-ID: {given}"
    ask(neighbour, f"http://{front_proxy}/", *lines)
    assert log_line(stack.front, given, access)["client"] == SPOOFED


# ---- T4: the request's id ----

UUID = "123e4567-e89b-12d3-a456-4266141740fa"


def access(line: dict[str, object]) -> bool:
    """Tell a line of the access log from one of the app's, which apache has in the same container."""
    return "status" in line


def log_line(
    container: Container, request_id: str, keep: Callable[[dict[str, object]], bool]
) -> dict[str, object]:
    """Wait for the log's line with this id; return it."""
    found: list[dict[str, object]] = []

    def logged() -> bool:
        lines = [line.decode(errors="replace") for line in log_lines(container, tail=500)]
        parsed = (json.loads(line) for line in lines if request_id in line and line.startswith("{"))
        found[:] = [line for line in parsed if line.get("request_id") == request_id and keep(line)]
        return bool(found)

    until(logged, f"a line with {request_id} in the log of {container.name}", 10)
    return found[0]


@pytest.mark.parametrize("given", ["0123456789abcdef" * 2, "0123456789ABCDEF" * 2, UUID, UUID.upper()])
def test_T4_well_formed_id_is_kept(place: Place, given: str) -> None:
    seen = echo(place, f"X-Request-ID: {given}")
    assert seen.answer["X-Request-ID"] == given
    assert seen.header("X-Request-ID") == [given]


@pytest.mark.production
def test_T4_id_is_made_where_there_is_none(place: Place) -> None:
    ids = set()
    for _ in range(50):
        seen = echo(place)
        ids.add(seen.answer["X-Request-ID"])
        assert seen.header("X-Request-ID") == [seen.answer["X-Request-ID"]]
    assert len(ids) == 50
    assert all(re.fullmatch("[0-9a-f]{32}", made) for made in ids)


@pytest.mark.production
@pytest.mark.parametrize(
    ("start", "status"),
    [
        ("GET / HTTP/1.1", 200),
        ("GET /static/site.css HTTP/1.1", 200),
        ("GET /static/no-such-file HTTP/1.1", 404),
        ("GET /no-such-page HTTP/1.1", 404),
        ("TRACE / HTTP/1.1", 405),
        ("HEAD / HTTP/1.1", 200),
    ],
)
def test_T4_every_answers_id_is_in_the_access_log(
    stack: Stack, place: Place, start: str, status: int
) -> None:
    answer = place.ask(request(start, f"Host: {place.host}"), start.partition(" ")[0])
    assert answer.status == status
    assert log_line(stack.front, answer["X-Request-ID"], access)["status"] == status


def test_T4_the_apps_log_has_the_id_of_the_response(stack: Stack, place: Place) -> None:
    for given in ([], [f"X-Request-ID: {uuid4()}"]):
        message = uuid4().hex
        start = f"GET /test/log?message={message} HTTP/1.1"
        answer = place.ask(request(start, f"Host: {place.host}", *given))
        assert answer.status == 200
        line = log_line(stack.app, answer["X-Request-ID"], lambda line: "message" in line)
        assert line["message"] == message


# ---- T6: where the app is mounted ----


def test_T6_at_the_root_the_whole_path_is_the_apps(place: Place) -> None:
    seen = echo(place, start="GET /test/echo/a/b HTTP/1.1")
    assert (seen["script_name"], seen["path_info"]) == ("", "/test/echo/a/b")
    assert accounts(place)["script_name"] == ""


# ---- T7: methods and versions ----


def test_T7_authorization_arrives(place: Place) -> None:
    assert echo(place, "Authorization: Basic YTpi").header("Authorization") == ["Basic YTpi"]
    assert echo(place, "Authorization: Bearer x.y-z_~+/=").header("Authorization") == ["Bearer x.y-z_~+/="]
    assert echo(place).header("Authorization") == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("body", [b"", b"a body"], ids=["no body", "body"])
def test_T7_method_arrives(place: Place, method: str, body: bytes) -> None:
    lines = f"Content-Length: {len(body)}", "Content-Type: text/plain"
    seen = echo(place, *lines, start=f"{method} /test/echo HTTP/1.1", body=body)
    assert (seen["method"], seen["body_length"]) == (method, len(body))


def test_T7_options_of_a_page_is_the_apps_answer(place: Place) -> None:
    answer = place.ask(request("OPTIONS /methods/ HTTP/1.1", f"Host: {place.host}"))
    assert answer.status == 200
    assert {"GET", "HEAD", "OPTIONS"} <= set(answer["Allow"].replace(" ", "").split(","))


@pytest.mark.parametrize(
    "path",
    # The development server leaves it to the app, which finds no such page.
    ["/", "/static/site.css", "/test/echo", pytest.param("/no-such-page", marks=pytest.mark.production)],
)
@pytest.mark.parametrize("method", ["TRACE", "TRACK"])
def test_T7_trace_is_refused(place: Place, method: str, path: str) -> None:
    """It would show a script what the browser keeps from it."""
    answer = place.ask(request(f"{method} {path} HTTP/1.1", f"Host: {place.host}", "X-Secret: mirrored"))
    assert answer.status in ({405} if method == "TRACE" else {404, 405, 501})
    assert "mirrored" not in answer.text


# One answer differs from the next in these; of the last: whether the server has all of it in hand.
FRESH = {"date", "x-request-id", "content-security-policy", "set-cookie", "connection", "accept-ranges"}


@pytest.mark.parametrize("path", ["/", "/application/hello", "/no-such-page", "/static/site.css"])
def test_T7_head_has_gets_headers_and_no_body(place: Place, path: str) -> None:
    # Pages name the process that made them, which has a longer or a shorter number.
    left_out = FRESH | ({"content-length"} if path in {"/", "/no-such-page"} else set())
    fields = []
    for method in ("GET", "HEAD"):
        asked = request(f"{method} {path} HTTP/1.1", f"Host: {place.host}", "Connection: close")
        (answer,) = place.say(asked, method)
        fields.append({(name, value) for name, value in answer.fields if name not in left_out})
    get, head = fields
    # A length may be left out (RFC 9110, 9.3.2), but never be another.
    assert head - {("transfer-encoding", "chunked")} <= get
    assert {name for name, _ in get - head} <= {"content-length", "transfer-encoding"}


def test_T7_http_1_0_is_answered(place: Place) -> None:
    answers = place.say(request("GET /application/hello HTTP/1.0", f"Host: {place.host}"))
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"Hello World")]
    assert "Transfer-Encoding" not in answers[0]


def test_T7_streams_reach_http_1_0_without_chunks(place: Place) -> None:
    (answer,) = place.say(request("GET /test/stream?seconds=0.3 HTTP/1.0", f"Host: {place.host}"))
    assert answer.text == "0\n1\n2\n"
    assert "Transfer-Encoding" not in answer
