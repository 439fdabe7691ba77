"""V1, V2: what the logs say, for every byte that a client can send."""

from __future__ import annotations

import json
import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from docker.models.containers import Container

from tests.inside import log_lines
from tests.stacks import Stack, begun, until
from tests.wire import Answer, Place, request

pytestmark = pytest.mark.front_end

# The line's keys, in this order.
# fmt: off
KEYS = [
    "time", "request_id", "client", "method", "path", "query", "protocol", "status", "bytes", "duration_s",
    "referer", "user_agent", "host", "tls",
]
# fmt: on
PATIENCE = 15.0  # seconds; lighttpd writes its log every 4
NUMBERS: dict[str, type | tuple[type, ...]] = {"status": int, "bytes": int, "duration_s": (int, float)}


def lines(container: Container, number: int) -> list[bytes]:
    """Return the log's last lines: all would be up to 60 MB."""
    return log_lines(container, stdout=True, stderr=False, tail=number)


def entry(line: bytes) -> dict[str, Any]:
    """Return what a line of the access log says, which is all that it should, in this order."""
    text = line.decode("utf-8")
    assert "\ufffd" not in text, "Docker puts it where bytes are no UTF-8"
    pairs = json.loads(text, object_pairs_hook=list)  # refuses control characters
    assert [key for key, _ in pairs] == KEYS, line
    for key, value in pairs:
        assert isinstance(value, NUMBERS.get(key, str)), (key, value)
        assert not isinstance(value, bool)
    return dict(pairs)


def logged(stack: Stack, request_id: str) -> dict[str, Any]:
    """Return the one entry of a request; logs may be written a moment later."""
    found: list[bytes] = []

    def there() -> list[bytes]:
        found[:] = [line for line in lines(stack.front, 200) if request_id.encode() in line]
        return found

    until(there, "the request is in the access log", PATIENCE)
    (line,) = found
    return entry(line)


def all_logged(stack: Stack, ids: set[str]) -> dict[str, dict[str, Any]]:
    """Return the entries of these requests; each line from first to last is sound, whosever it is.

    By the id, not by the order: a server's processes write each when it has done with the connection. What
    stands before is not judged: the container's log outlasts a configuration that is tried out.
    """
    entries: dict[str, dict[str, Any]] = {}

    def there() -> bool:
        log = lines(stack.front, 200 + 2 * len(ids))
        ours = [number for number, line in enumerate(log) if any(own.encode() in line for own in ids)]
        if len(ours) >= len(ids):
            entries.update({e["request_id"]: e for e in map(entry, log[ours[0] : ours[-1] + 1])})
        return entries.keys() >= ids

    until(there, f"{len(ids)} lines", PATIENCE)
    return entries


def fresh_id() -> str:
    return secrets.token_hex(16)


# ---- values ----


@pytest.mark.production
def test_V1_request_by_http_is_told_as_it_was(stack: Stack) -> None:
    own = fresh_id()
    headers = {
        "X-Request-ID": own, "Referer": "http://localhost/from?a=b", "User-Agent": "somebody/1.0 (a; b)",
        "Accept-Encoding": "identity",
    }  # fmt: skip
    before = datetime.now(UTC)
    answer = stack.site.get("/test/echo/a/b?c=d&e=%20f", headers=headers)
    entry = logged(stack, own)
    when = datetime.fromisoformat(entry["time"])
    assert before - timedelta(seconds=1.1) <= when <= datetime.now(UTC) + timedelta(seconds=1.1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", entry["time"])
    assert 0 <= entry["duration_s"] < 5
    told = {key: entry[key] for key in KEYS if key not in {"time", "duration_s"}}
    assert told == {
        "request_id": own,
        "client": answer.json()["client"],
        "method": "GET",
        "path": "/test/echo/a/b",
        "query": "c=d&e=%20f",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": len(answer.content),
        "referer": "http://localhost/from?a=b",
        "user_agent": "somebody/1.0 (a; b)",
        "host": f"127.0.0.1:{stack.port}",
        "tls": "",
    }


@pytest.mark.production
@pytest.mark.parametrize("protocol", ["HTTP/2.0", "HTTP/1.1"])
def test_V1_request_by_tls_is_told_as_it_was(stack: Stack, protocol: str) -> None:
    own = fresh_id()
    with stack.http_2() if protocol == "HTTP/2.0" else stack.tls_site as client:
        answer = client.post("/test/echo", json=["x" * 1000], headers={"X-Request-ID": own})
    entry = logged(stack, own)
    expected = ("POST", "/test/echo", "", protocol, 200, "TLSv1.3", f"localhost:{stack.tls_port}")
    told = tuple(entry[key] for key in ("method", "path", "query", "protocol", "status", "tls", "host"))
    assert told == expected
    assert entry["client"] == answer.json()["client"]


@pytest.mark.production
def test_V1_request_by_http_1_0_without_headers_is_told(stack: Stack) -> None:
    own = fresh_id()
    place = Place(stack.base_url)
    place.ask(request("GET /static/site.css HTTP/1.0", f"Host: {place.host}", f"X-Request-ID: {own}"))
    entry = logged(stack, own)
    assert (entry["protocol"], entry["referer"], entry["user_agent"]) == ("HTTP/1.0", "", "")


@pytest.mark.production
@pytest.mark.parametrize(
    ("referer", "user_agent"), [("", "somebody/1.0"), ("http://localhost/from", ""), ("", "")]
)
def test_V1_header_that_is_not_there_is_empty(stack: Stack, referer: str, user_agent: str) -> None:
    own, place = fresh_id(), Place(stack.base_url)
    said = {"X-Request-ID": own, "Referer": referer, "User-Agent": user_agent}
    names = (f"{name}: {value}" for name, value in said.items() if value)
    place.ask(request("GET /static/site.css HTTP/1.1", f"Host: {place.host}", *names))
    entry = logged(stack, own)
    assert (entry["referer"], entry["user_agent"]) == (referer, user_agent)


Case = tuple[str, str, tuple[str, ...]]
COUNTED: list[Case] = [
    (method, path, headers)
    for method in ("GET", "HEAD")
    for path, headers in [
        ("/static/site.css", ()),
        ("/static/site.css", ("Accept-Encoding: gzip",)),
        ("/", ("Accept-Encoding: gzip",)),
        ("/", ("Accept-Encoding: br",)),
        ("/static/site.css", ("Range: bytes=0-9",)),
        ("/static/no-such-file", ()),
        ("/no-such-page", ()),
        ("/test/stream?seconds=0.3", ()),
        ("/metrics", ()),
    ]
]


@pytest.fixture(scope="module")
def counted(stack: Stack) -> dict[Case, tuple[str, Answer]]:
    """Ask each, one after the other, before any line is looked for: it may take 4 s."""
    answers = {}
    for case in COUNTED:
        (method, path, headers), own, place = case, fresh_id(), Place(stack.base_url)
        names = (f"Host: {place.host}", "Connection: close", f"X-Request-ID: {own}", *headers)
        answers[case] = own, place.ask(request(f"{method} {path} HTTP/1.1", *names), method)
    return answers


@pytest.mark.production
@pytest.mark.parametrize("case", COUNTED, ids=lambda case: " ".join((*case[:2], *case[2])))
def test_V1_status_and_bytes_are_those_of_the_answer(
    stack: Stack, counted: dict[Case, tuple[str, Answer]], case: Case
) -> None:
    """Bytes of the body as it was sent: compressed, or a part, or none."""
    own, answer = counted[case]
    entry = logged(stack, own)
    assert entry["status"] == answer.status
    if answer.all("transfer-encoding"):  # the chunks' own lengths may be counted, too
        assert len(answer.body) <= entry["bytes"] <= len(answer.body) + 200
    else:
        assert entry["bytes"] == len(answer.body)


@pytest.mark.production
def test_V1_duration_is_the_time_that_it_took(stack: Stack) -> None:
    own = fresh_id()
    stack.site.get("/test/wait?seconds=1.2", headers={"X-Request-ID": own})
    assert 1.2 <= logged(stack, own)["duration_s"] < 4


# ---- hostile bytes ----

LONG = "v" * 7_900
# Latin-1, as they go over the wire.
HOSTILE = {
    "quote": 'a"b"c',
    "backslash": "a\\b\\\\c\\",
    "escape": 'a\\"b\\u0000c\\x41\\n',
    "JSON": '","status":999,"x":"',
    "braces": "${jndi:x}%{y}i{{z}}%s%n",
    "control bytes": "a\x01b\x08c\x1bd\x1f",
    "delete": "a\x7fb",
    "tab": "a\tb",
    "invalid UTF-8": "a\xffb\xc3(c\xa0\xa1d\xed\xa0\x80e\xf5",
    "cut UTF-8": "a\xe2\x82",
    "overlong UTF-8": "a\xc0\xafb\xe0\x80\xaf",
    "UTF-8": "gr\u00fc\u00df\u20ac".encode().decode("latin-1"),
    "emoji": "\U0001f600\u200d\U0001f3ff".encode().decode("latin-1"),
    "separators": "a\u2028b\u2029c\ufeff".encode().decode("latin-1"),
    "percent": "a%00b%0a%0d%22%5c%ffc%zz",
    "long": LONG,
    "long quotes": '"' * 7_900,
    "long invalid UTF-8": "\xfe" * 7_900,
}


def hostile(place: Place, where: str, value: str, own: str) -> bytes:
    """Return a request with this value at this place."""
    lines = {"Host": place.host, "X-Request-ID": own, "Connection": "close"}
    start = "GET /nowhere HTTP/1.1"
    match where:
        case "path":
            start = f"GET /test/{value} HTTP/1.1"
        case "query":
            start = f"GET /nowhere?{value} HTTP/1.1"
        case "method":
            start = f"G{value} /nowhere HTTP/1.1"
        case "Host":
            lines["Host"] = f"a{value}"
        case name:
            lines[name] = f"a{value}b"
    return request(start, *(f"{name}: {value}" for name, value in lines.items()))


@pytest.mark.production
@pytest.mark.parametrize(
    "where", ["path", "query", "Referer", "User-Agent", "Host", "method", "X-Request-ID"]
)
def test_V1_every_request_has_a_line_of_sound_json(stack: Stack, where: str) -> None:
    """Whatever bytes it has: a line for each answer, with its status and request id."""
    place = Place(stack.base_url)
    answers = {name: place.ask(hostile(place, where, value, fresh_id())) for name, value in HOSTILE.items()}
    entries = all_logged(stack, {answer["x-request-id"] for answer in answers.values()})
    assert len({answer["x-request-id"] for answer in answers.values()}) == len(answers)
    for name, answer in answers.items():
        assert answer.status < 500 or answer.status == 501, name  # an unknown method
        assert entries[answer["x-request-id"]]["status"] == answer.status, name


@pytest.mark.production
@pytest.mark.parametrize(
    ("start", "line"),
    [
        ("GET /nowhere HTTP/1.1", "X-Log: no"),  # lighttpd's own mark of a health check
        ("GET /healthz HTTP/1.1", "X-Forwarded-For: 127.0.0.1"),
        ("PRI /nowhere HTTP/1.1", "X-Other: the method that begins HTTP/2"),
    ],
)
def test_V1_no_client_keeps_its_request_out_of_the_log(stack: Stack, start: str, line: str) -> None:
    place = Place(stack.base_url)
    answer = place.ask(request(start, f"Host: {place.host}", line))
    assert logged(stack, answer["x-request-id"])["status"] == answer.status


@pytest.mark.production
@pytest.mark.parametrize("where", ["query", "Referer", "User-Agent"])
def test_V1_ordinary_values_stand_as_they_are(stack: Stack, where: str) -> None:
    own, place = fresh_id(), Place(stack.base_url)
    ordinary = "azAZ09-._~!$&'()*+,;=:@/?[]"
    place.ask(hostile(place, where, ordinary, own))
    found = logged(stack, own)[where.lower().replace("-", "_")]
    assert found == (ordinary if where == "query" else f"a{ordinary}b")


@pytest.mark.production
def test_V1_no_request_is_lost(stack: Stack) -> None:
    """400 of them, by HTTP/2 and HTTP/1.1: each has its line."""
    sent = [fresh_id() for _ in range(400)]
    with stack.http_2() as client:
        for own in sent[:200]:
            assert client.get("/static/icon.svg", headers={"X-Request-ID": own}).status_code == 200
    with stack.site as site:
        for own in sent[200:]:
            assert site.get("/static/icon.svg", headers={"X-Request-ID": own}).status_code == 200

    all_logged(stack, set(sent))


@pytest.mark.production
def test_V1_beginning_of_an_http_2_connection_has_no_line(stack: Stack) -> None:
    """It is a request to lighttpd, told of at the connection's end, which Docker's proxy delays."""
    sent = [fresh_id() for _ in range(4)]
    for own in sent:
        with httpx.Client(http1=False, http2=True, verify=stack.http_2_context()) as client:
            address, headers = f"https://{stack.front_address}/static/icon.svg", {"Host": "localhost"}
            headers["X-Request-ID"] = own
            answer = client.get(address, headers=headers, extensions={"sni_hostname": "localhost"})
            assert answer.status_code == 200
    assert "PRI" not in {entry["method"] for entry in all_logged(stack, set(sent)).values()}


# ---- the application's log ----


def app_log(stack: Stack, since: datetime) -> list[dict[str, Any]]:
    """Return what the application's container has logged since then: JSON, each line of it.

    Where the front end runs in the same container, its access log is on the standard output.
    """
    own_container = stack.app.id != stack.front.id or stack.profile.name == "dev"
    found = log_lines(stack.app, stdout=own_container, stderr=True, since=since.timestamp())
    return [json.loads(line) for line in found]


# nginx says so where it is started without root, as a container is.
KNOWN_WARNING = b'the "user" directive makes sense only if the master process runs with super-user privileges'


@pytest.mark.production
def test_V2_start_gives_no_warning(stack: Stack) -> None:
    began = begun(stack.front)
    said = stack.front.logs(stdout=False, stderr=True, since=began, until=began + 2).splitlines()
    levels = re.compile(rb"\[(\w+:)?(warn|error|crit|alert|emerg)\]|^AH\d+")
    # Those who asked while it started, as `make up` does, found no application yet.
    asked = re.compile(
        rb"client|\(2\)No such file or directory: AH02454: \w+: attempt to connect to Unix domain socket"
    )
    own = [line for line in said if not asked.search(line)]
    assert [line for line in own if levels.search(line) and KNOWN_WARNING not in line] == []


def test_V2_app_log_is_json_with_the_request_id(stack: Stack) -> None:
    own, since = fresh_id(), datetime.now(UTC)
    text = 'a "quoted" \\ text,\nü, \x00 and \U0001f600'
    answer = stack.site.get("/test/log", params={"message": text}, headers={"X-Request-ID": own})
    assert answer.headers["X-Request-ID"] == own

    def mine() -> list[dict[str, Any]]:
        return [e for e in app_log(stack, since) if e.get("request_id") == own and e.get("message") == text]

    until(mine, "the application's line", PATIENCE)
    (found,) = mine()
    assert found["level"] == "WARNING"
    assert found["logger"]
    assert abs(datetime.fromisoformat(found["time"]) - datetime.now(UTC)) < timedelta(seconds=10)


@pytest.mark.production
@pytest.mark.parametrize("reason", ["a reason", f"a long {'reason ' * 1150}"], ids=["short", "long"])
def test_V2_an_exception_is_one_line_with_the_id_that_the_page_names(stack: Stack, reason: str) -> None:
    """And the access log's: who reports an error names the id, and it leads to both."""
    since = datetime.now(UTC)
    answer = stack.site.get("/test/fail", params={"text": reason})
    assert answer.status_code == 500
    own = answer.headers["X-Request-ID"]
    assert own in answer.text
    assert logged(stack, own)["status"] == 500
    until(lambda: [e for e in app_log(stack, since) if e.get("request_id") == own], "the exception", PATIENCE)
    (found,) = [e for e in app_log(stack, since) if e.get("request_id") == own]
    assert found["level"] == "ERROR"
    assert found["exception"].startswith("Traceback")
    assert found["exception"].endswith(f"RuntimeError: {reason}")


@pytest.mark.production
def test_V2_request_that_has_nothing_to_say_leaves_no_line(stack: Stack) -> None:
    """It has one in the access log."""
    since = datetime.now(UTC)
    for _ in range(20):
        assert stack.site.get("/application/hello").ok
    mark = fresh_id()
    stack.site.get("/test/log", params={"message": mark})
    until(lambda: any(e["message"] == mark for e in app_log(stack, since)), "the last line", PATIENCE)
    assert [e["message"] for e in app_log(stack, since)] == [mark]


@pytest.mark.production
def test_V1_ids_are_made_and_are_all_different(stack: Stack) -> None:
    ids = [stack.site.get("/static/icon.svg").headers["X-Request-ID"] for _ in range(20)]
    assert len(set(ids)) == 20
    assert all(re.fullmatch(r"[0-9a-f]{32}", own) for own in ids)
    assert logged(stack, ids[0])["path"] == "/static/icon.svg"


@pytest.mark.production
def test_V2_health_checks_are_in_neither_log(stack: Stack) -> None:
    """The container's own; somebody else's question is in the access log as any other."""
    since = datetime.now(UTC)
    own, mark = fresh_id(), fresh_id()
    check = ["curl", "-fsS", "-o", "/dev/null", "-H", f"X-Request-ID: {own}", "http://127.0.0.1/healthz"]
    stack.execute(stack.front, *check)
    stack.site.get("/healthz", headers={"X-Request-ID": mark})
    assert logged(stack, mark)["path"] == "/healthz"
    everything = b"".join(c.logs(since=since.timestamp()) for c in {stack.front, stack.app})
    assert mark.encode() in everything
    assert own.encode() not in everything


@pytest.mark.production
def test_V2_what_starts_and_stops_is_logged_as_json_too(stack: Stack) -> None:
    """A machine reads the application's log from its first line to its last."""
    until(lambda: stack.app.status == "running", "the application runs")
    assert app_log(stack, datetime.fromtimestamp(time.time() - 86_400, UTC))
