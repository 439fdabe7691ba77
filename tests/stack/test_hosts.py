"""Rows R1, R3 and R4: which names the site answers to, and where it sends those who come by plain HTTP."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.echo import echo, ran
from tests.stacks import Stack, copy_of_repository, until
from tests.wire import Answer, Place, request

pytestmark = [pytest.mark.production, pytest.mark.shared]

NAME = "www.example.org"


# ---- R1: the ports ----


@pytest.mark.parametrize(("inside", "scheme"), [("80/tcp", "http"), ("443/tcp", "https")])
def test_R1_port_of_the_container_is_published_on_this_machine_alone(
    stack: Stack, inside: str, scheme: str
) -> None:
    (binding,) = stack.front.attrs["HostConfig"]["PortBindings"][inside]
    assert binding["HostIp"] == "127.0.0.1"
    place = Place(f"{scheme}://127.0.0.1:{binding['HostPort']}/", stack.authority)
    assert echo(place)["scheme"] == scheme


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_R1_certificate_is_this_machines(stack: Stack, name: str) -> None:
    """Verified with the local authority, as a browser would that trusts it."""
    assert echo(Place(f"https://{name}:{stack.tls_port}/", stack.authority))["scheme"] == "https"


# ---- R3: from HTTP to HTTPS ----


@pytest.fixture(scope="module")
def named(profile: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose site file got a real name, in place of the first "localhost" of its marked block."""
    stack = Stack(profile, copy_of_repository(tmp_path_factory.mktemp(f"named-{profile}")), mail=False)
    try:
        stack.up()
        (file,) = (stack.folder / stack.profile.front).rglob("*app.conf")
        text = file.read_text(encoding="utf-8")
        edited, changed = re.subn(
            r"(==== Edit this block.*?)\blocalhost\b", rf"\1{NAME}", text, count=1, flags=re.S
        )
        assert changed
        file.write_text(edited, encoding="utf-8")
        stack.make("reload")
        asked = request("GET / HTTP/1.1", f"Host: {NAME}")
        # Of several processes each has to leave what it knew.
        place = Place(stack.base_url)
        until(lambda: all(place.ask(asked).status != 421 for _ in range(20)), f"{NAME} is known")
        yield stack
    finally:
        stack.remove()


@pytest.mark.parametrize(
    "target",
    ["/", "/hello?x=%2F&y=a+b", "/a%2Fb/%C3%A9//c/", "/static/site.css", "//evil.example/", "/a/../b"],
)
def test_R3_plain_http_is_sent_to_https(named: Stack, target: str) -> None:
    """With path and query as they were, to the port of HTTPS; 308 keeps the method, too."""
    for host in (NAME, NAME.upper(), f"{NAME}:80", f"{NAME}:8080"):
        for method in ("GET", "HEAD", "POST", "PUT"):
            asked = request(f"{method} {target} HTTP/1.1", f"Host: {host}", "Content-Length: 0")
            answer = Place(named.base_url).ask(asked, method)
            assert answer.status == 308
            assert len(answer["X-Request-ID"]) == 32
            assert answer["Location"].replace(NAME.upper(), NAME) == f"https://{NAME}{target}"


@pytest.mark.parametrize(
    "target", ["/%0d%0aX-Evil:%20yes", "/?%0d%0aX-Evil:%20yes", "/\\evil.example", "/a%0Ab"]
)
def test_R3_redirect_carries_nothing_but_an_address(named: Stack, target: str) -> None:
    answer = Place(named.base_url).ask(request(f"GET {target} HTTP/1.1", f"Host: {NAME}"))
    assert answer.status in {308, 400, 404}
    assert "X-Evil" not in answer
    assert all(value.startswith(f"https://{NAME}/") for value in answer.all("Location"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080"])
def test_R3_this_machine_is_not_redirected(named: Stack, host: str) -> None:
    assert echo(Place(named.base_url), hosts=[host]).header("Host") == [host]


def test_R3_https_is_not_redirected(named: Stack) -> None:
    seen = echo(Place(named.tls_url, named.authority), hosts=[NAME])
    assert (seen["scheme"], seen["host"]) == ("https", NAME)


def test_R3_unknown_name_is_not_redirected(named: Stack) -> None:
    answer = Place(named.base_url).ask(request("GET / HTTP/1.1", "Host: evil.example"))
    assert answer.status == 421
    assert "Location" not in answer


# ---- R4: names that are not the site's ----


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:1",
        "LocalHost",
        "127.0.0.1",
        "127.0.0.1:81",
        "127.0.0.1:65535",
        "[::1]",
        "[::1]:8443",
    ],
)
def test_R4_name_of_this_machine_is_known(place: Place, host: str) -> None:
    assert [arrived.lower() for arrived in echo(place, hosts=[host]).header("Host")] == [host.lower()]


UNKNOWN = [
    "evil.example",
    "evil.example:80",
    "localhost.evil.example",
    "evil-localhost",
    "localhosts",
    "192.0.2.1",
    "127.0.0.2",
    "[::2]",
    "[::ffff:127.0.0.1]",
    "127x0x0x1",
    "app",
    "default",
    "xn--bcher-kva.example",
]


def refused(
    stack: Stack, place: Place, *lines: str, target: str = "", version: str = "HTTP/1.1"
) -> Answer | None:
    """Ask for something that leaves a trace if it is run; return the answer: there is no trace."""
    mark = uuid4().hex
    asked = request(f"GET {target}/test/log?message={mark} {version}", *lines, "Connection: close")
    answers = place.say(asked)
    assert not ran(stack, mark)
    assert len(answers) <= 1
    return answers[0] if answers else None


@pytest.mark.parametrize("host", UNKNOWN)
def test_R4_unknown_name_is_misdirected(stack: Stack, place: Place, host: str) -> None:
    answer = refused(stack, place, f"Host: {host}")
    assert answer
    assert answer.status == 421


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "localhost_", "_", "lo%63alhost", "localhost.."])
def test_R4_name_that_resolvers_read_differently_is_unknown(stack: Stack, place: Place, host: str) -> None:
    """A server may hold these for malformed."""
    answer = refused(stack, place, f"Host: {host}")
    assert answer
    assert answer.status in {400, 421}


MALFORMED = [
    "local host",
    "localhost evil.example",
    "localhost/",
    "localhost/x",
    "localhost:abc",
    "localhost:80x",
    "localhost:-1",
    "localhost:80:80",
    "user@localhost",
    "localhost@evil.example",
    "localhost,evil.example",
    "localhost, localhost",
    "localhost?x",
    "localhost#x",
    "localhost\\x",
    "<localhost>",
    '"localhost"',
    "local\thost",
    "[::1",
    "::1",
    "[localhost]",
    "http://localhost",
    "localhost\x7f",
    "lo\xe9alhost",
]


@pytest.mark.parametrize("host", MALFORMED)
def test_R4_malformed_host_is_refused(stack: Stack, place: Place, host: str) -> None:
    answer = refused(stack, place, f"Host: {host}")
    assert answer
    assert answer.status == 400


HOSTS = {
    "same": ["localhost", "localhost"],
    "known first": ["localhost", "evil.example"],
    "known last": ["evil.example", "localhost"],
    "empty last": ["localhost", ""],
    "empty first": ["", "localhost"],
}


@pytest.mark.parametrize("hosts", HOSTS.values(), ids=HOSTS.keys())
def test_R4_two_hosts_are_refused(stack: Stack, place: Place, hosts: list[str]) -> None:
    answer = refused(stack, place, *(f"Host: {host}" for host in hosts))
    assert answer
    assert answer.status == 400


def test_R4_host_of_other_spelling_is_a_second_one(stack: Stack, place: Place) -> None:
    answer = refused(stack, place, "Host: localhost", "hOST: localhost")
    assert answer
    assert answer.status == 400


def test_R4_missing_host_is_refused(stack: Stack, place: Place) -> None:
    answer = refused(stack, place)
    assert answer
    assert answer.status == 400


@pytest.mark.parametrize(
    "lines", [["Host:"], ["Host: "], ["Host:\t"], ["Host: :80"]], ids=["none", "space", "tab", "port"]
)
def test_R4_empty_host_is_refused(stack: Stack, place: Place, lines: list[str]) -> None:
    answer = refused(stack, place, *lines)
    assert answer
    assert answer.status in {400, 421}


def test_R4_http_1_0_needs_a_name_too(stack: Stack, place: Place) -> None:
    answer = refused(stack, place, version="HTTP/1.0")
    assert answer
    assert answer.status in {400, 421}


def test_R4_absolute_target_names_the_host(place: Place) -> None:
    """Such a request must be understood (RFC 9112, 3.2.2)."""
    seen = echo(place, start=f"GET {place.url}test/echo?a=b HTTP/1.1")
    assert (seen["path_info"], seen["query_string"], seen["host"]) == ("/test/echo", "a=b", place.host)


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_R4_absolute_target_of_another_host_is_refused(stack: Stack, place: Place, host: str) -> None:
    answer = refused(stack, place, f"Host: {host}", target="http://evil.example")
    assert answer
    assert answer.status in {400, 421}


def test_R4_absolute_target_goes_before_host(place: Place) -> None:
    """The app may see the known name, never the other."""
    answer = place.ask(request("GET http://localhost/test/echo HTTP/1.1", "Host: evil.example"))
    assert answer.status in {200, 400, 421}
    assert "evil" not in answer.text


def test_R4_scheme_of_an_absolute_target_is_not_believed(place: Place) -> None:
    for scheme in ("http", "https", "gopher"):
        answer = place.ask(request(f"GET {scheme}://localhost/test/echo HTTP/1.1", "Host: localhost"))
        assert answer.status in {200, 400, 421}
        if answer.status == 200:
            assert answer.json()["scheme"] == place.url.partition(":")[0]


@pytest.mark.parametrize(
    "start", ["CONNECT localhost:443 HTTP/1.1", "CONNECT /test/echo HTTP/1.1", "GET * HTTP/1.1"]
)
def test_R4_no_target_opens_a_tunnel(place: Place, start: str) -> None:
    assert place.ask(request(start, "Host: localhost")).status in {400, 404, 405, 501}


def test_R4_name_in_the_handshake_is_not_that_of_the_request(stack: Stack) -> None:
    """Who says one name in the TLS handshake and another as Host is answered for Host, or not at all."""
    place = Place(stack.tls_url, stack.authority)
    for said, host in (
        ("localhost", "evil.example"),
        ("evil.example", "localhost"),
        ("evil.example", "evil.example"),
    ):
        try:
            wire = place.connect(name=said)
        except ssl.SSLError:
            assert said == "evil.example"
            continue
        with wire:
            wire.send(request("GET /test/echo HTTP/1.1", f"Host: {host}"))
            answer = wire.answer()
        assert answer
        assert answer.status in ({421} if host == "evil.example" else {200, 421})
        assert "evil" not in answer.text
