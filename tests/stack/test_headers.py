"""H1 to H3: the headers of every kind of answer, by HTTP and TLS, whoever makes it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import httpx
import pytest
from h2.errors import ErrorCodes

from tests.figures import FIGURES, HEADERS
from tests.stacks import Stack, until
from tests.wire import Answer, Place, request

pytestmark = pytest.mark.front_end

CSP = "Content-Security-Policy"


def static(place: Place) -> str:
    """Return the address of the style sheet, fingerprinted, as a page names it."""
    found = re.search(r"/static/site-[0-9a-f]{32}\.css", ask(place, "/").text)
    assert found
    return found[0]


def ask(place: Place, path: str, *lines: str, method: str = "GET", body: bytes = b"") -> Answer:
    """Send a request with these header lines."""
    host = f"Host: {place.host}"
    return place.ask(
        request(f"{method} {path} HTTP/1.1", host, "Connection: close", *lines, body=body), method
    )


def unchanged(place: Place) -> Answer:
    """Ask for a file that the client has."""
    when = ask(place, "/static/site.css")["last-modified"]
    return ask(place, "/static/site.css", f"If-Modified-Since: {when}")


def malformed(place: Place) -> Answer:
    """Send what the front end's own parser refuses."""
    return place.ask(request("GET / HTTP/1.1", f"Host: {place.host}", "a line without a colon"))


def too_large(place: Place) -> Answer:
    """Announce a body that is over the limit."""
    return ask(place, "/test/echo", f"Content-Length: {11 * 1024 * 1024}", method="POST")


JSON = "Accept: application/json"
# What is asked, and the status of the answer; first what the application answers, or may.
OF_THE_APP: dict[str, tuple[int, Callable[[Place], Answer]]] = {
    "page": (200, lambda place: ask(place, "/")),
    "JSON": (200, lambda place: ask(place, "/request/inspect", JSON)),
    "HEAD": (200, lambda place: ask(place, "/", method="HEAD")),
    "redirect": (308, lambda place: ask(place, "/variables/python")),
    "404": (404, lambda place: ask(place, "/no-such-page")),
    "404 as JSON": (404, lambda place: ask(place, "/no-such-page", JSON)),
    "405": (405, lambda place: ask(place, "/", "Content-Length: 0", method="POST")),
    "TRACE": (405, lambda place: ask(place, "/", method="TRACE")),
    "500": (500, lambda place: ask(place, "/test/fail")),
    "stream": (200, lambda place: ask(place, "/test/stream?seconds=0.2")),
}
OF_THE_FRONT_END: dict[str, tuple[int, Callable[[Place], Answer]]] = {
    "static": (200, lambda place: ask(place, "/static/site.css")),
    "static, compressed": (200, lambda place: ask(place, "/static/site.css", "Accept-Encoding: gzip")),
    "static, fingerprinted": (200, lambda place: ask(place, static(place))),
    "static, unchanged": (304, unchanged),
    "static, a part": (206, lambda place: ask(place, "/static/site.css", "Range: bytes=0-9")),
    "static, not there": (404, lambda place: ask(place, "/static/no-such-file.css")),
    "static, not there, as JSON": (404, lambda place: ask(place, "/static/no-such-file.css", JSON)),
    "static, another method": (405, lambda place: ask(place, "/static/site.css", method="DELETE")),
    "metrics": (403, lambda place: ask(place, "/metrics")),
    "too large": (413, too_large),
    "another name": (421, lambda place: place.ask(request("GET / HTTP/1.1", "Host: other.example"))),
    "malformed": (400, malformed),
}
# dev shows the debugger where a view fails.
CASES = [
    pytest.param(
        case, id=case, marks=[pytest.mark.production] if case not in OF_THE_APP or case == "500" else []
    )
    for case in [*OF_THE_APP, *OF_THE_FRONT_END]
]


@pytest.fixture(params=["http", pytest.param("https", marks=pytest.mark.production)])
def place(request: pytest.FixtureRequest, stack: Stack) -> Place:
    """Return the site, by TCP and by TLS."""
    return Place(stack.base_url) if request.param == "http" else secure(stack)


def secure(stack: Stack) -> Place:
    return Place(stack.tls_url, stack.authority)


def get(place: Place, case: str) -> Answer:
    """Return the answer of a case, which has the status it should have."""
    status, question = {**OF_THE_APP, **OF_THE_FRONT_END}[case]
    answer = question(place)
    assert answer.status == status, answer
    return answer


def check_policies(answer: Answer, *, of_the_app: bool) -> None:
    """Each header once, with the contract's value; the application's policy is another, for its scripts."""
    for name, value in HEADERS.items():
        if not (of_the_app and name == CSP):
            assert answer[name] == value, name
    policy = answer[CSP]
    assert "unsafe" not in policy
    for directive in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert directive in policy


@pytest.mark.production
def test_H1_answer_about_no_path_has_the_policies(place: Place) -> None:
    """`OPTIONS *` asks about the server itself."""
    answer = place.ask(request("OPTIONS * HTTP/1.1", f"Host: {place.host}"), "OPTIONS")
    assert answer.status < 500
    check_policies(answer, of_the_app=False)


@pytest.mark.parametrize("case", CASES)
def test_H1_answer_has_the_policies(place: Place, case: str) -> None:
    check_policies(get(place, case), of_the_app=case in OF_THE_APP)


@pytest.mark.parametrize("case", CASES)
def test_H2_vary_is_a_list_of_names(place: Place, case: str) -> None:
    """Not of nothing and a name, where one server adds to what another sent."""
    for value in get(place, case).all("vary"):
        assert all(re.fullmatch(r"\s*(\*|[A-Za-z-]+)\s*", name) for name in value.split(",")), value


# What is refused before anything of the site is looked at; servers differ in the status.
REFUSED: dict[str, Callable[[Place], Answer]] = {
    "line too long": lambda place: ask(place, f"/{'x' * 9000}"),
    "unknown method of a file": lambda place: ask(place, "/static/site.css", method="FETCH"),
    "body that cannot be read": lambda place: place.ask(
        request("POST /test/echo HTTP/1.1", f"Host: {place.host}", "Transfer-Encoding: chunked") + b"zz\r\n",
        "POST",
    ),
    "unknown version": lambda place: place.ask(request("GET / HTTP/3.0", f"Host: {place.host}")),
} | {case: question for case, (status, question) in OF_THE_FRONT_END.items() if status >= 400}


@pytest.mark.production
@pytest.mark.parametrize("case", [case for case in REFUSED if "JSON" not in case])
def test_H1_refusal_is_a_page_of_the_site(place: Place, case: str) -> None:
    answer = REFUSED[case](place)
    assert 400 <= answer.status < 600
    assert answer["content-type"] == "text/html; charset=utf-8"
    assert f"<title>{answer.status}" in answer.text.replace("\n", "")
    assert answer["x-request-id"] in answer.text


# What is too long to become a request at all.
TOO_LONG: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "line": lambda client: client.get(f"/{'X' * 9000}"),
    "header": lambda client: client.get("/", headers={"X-Large": "X" * 9000}),
}


def refusals(stack: Stack, case: str) -> list[httpx.Response]:
    """Return the answers to what is too long, sent by HTTP/2 twenty times.

    There are none where the server ends the connection instead (ENHANCE_YOUR_CALM: RFC 9113, 10.5.1).
    """
    answers = []
    with stack.http_2() as client:  # one connection, as far as the server keeps it
        for _ in range(20):
            try:
                answers.append(TOO_LONG[case](client))
            except httpx.RemoteProtocolError as refusal:
                calm = f"error_code:{ErrorCodes.ENHANCE_YOUR_CALM:d}" in str(refusal)
                assert calm, refusal  # noqa: PT017  what else it may be is a failure
    assert len(answers) in {0, 20}
    assert all(answer.is_client_error for answer in answers)
    return answers


@pytest.mark.production
@pytest.mark.parametrize("case", TOO_LONG)
def test_H1_refusal_over_http_2_has_the_policies(stack: Stack, case: str) -> None:
    """Its page may be the server's own: there is no request yet that a page of the site could answer."""
    for answer in refusals(stack, case):
        assert {name: answer.headers.get_list(name) for name in HEADERS} == {
            name: [value] for name, value in HEADERS.items()
        }


@pytest.mark.production
@pytest.mark.parametrize("case", TOO_LONG)
def test_T4_refusal_over_http_2_has_an_id_of_its_own(stack: Stack, case: str) -> None:
    answers = refusals(stack, case)
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == len(answers)
    assert all(re.fullmatch("[0-9a-f]{32}", made) for made in ids)


@pytest.mark.production
@pytest.mark.parametrize(
    ("accept", "mime"),
    [
        ("application/json", "application/json"),
        ("text/html, application/json;q=0.5", "text/html"),
        ("*/*", "text/html"),
    ],
)
def test_H1_refusal_is_json_where_that_is_preferred(place: Place, accept: str, mime: str) -> None:
    answer = ask(place, "/static/no-such-file.css", f"Accept: {accept}")
    assert answer["content-type"].startswith(mime)
    assert ("<title>" in answer.text) == (mime == "text/html")


@pytest.mark.production
def test_H1_broken_trailer_is_passed_over_or_refused_with_the_sites_page(place: Place) -> None:
    lines = "POST /test/echo HTTP/1.1", f"Host: {place.host}", "Transfer-Encoding: chunked"
    answer = place.ask(request(*lines) + b"1\r\nx\r\n0\r\nno header\r\n\r\n", "POST")
    assert answer.status == 200 or "· Flask, deployed</title>" in answer.text


@pytest.mark.production
def test_H1_header_that_is_too_large_is_answered_with_the_sites_page(place: Place) -> None:
    """It is refused before anything of the site is looked at."""
    answer = place.ask(
        request("GET / HTTP/1.1", f"Host: {place.host}", f"X-Large: {'x' * 9000}", "Accept: text/html")
    )
    assert answer.status in {400, 431}
    assert "Flask, deployed" in answer.text
    assert answer["x-request-id"] in answer.text


@pytest.mark.production
def test_H1_http_at_the_port_of_tls_gets_the_sites_page_or_nothing(stack: Stack) -> None:
    port = Place(f"http://localhost:{stack.tls_port}/")
    for answer in port.say(request("GET / HTTP/1.1", "Host: localhost", "Connection: close")):
        assert answer.status == 400
        assert "Flask, deployed" in answer.text
        assert answer["x-request-id"] in answer.text


@pytest.mark.parametrize("case", CASES)
def test_H2_no_header_is_there_twice(place: Place, case: str) -> None:
    names = [name for name, _ in get(place, case).fields if name != "set-cookie"]
    assert sorted(names) == sorted(set(names))


@pytest.mark.production
@pytest.mark.parametrize("case", CASES)
def test_H2_server_names_no_version_and_nothing_else_the_software(place: Place, case: str) -> None:
    answer = get(place, case)
    assert re.fullmatch(r"[A-Za-z]+", answer["server"])
    assert answer["server"] == ask(place, "/static/site.css")["server"], "not the front end's own word"
    assert "x-powered-by" not in answer


@pytest.mark.production
@pytest.mark.parametrize("case", CASES)
def test_R2_hsts_by_tls_alone(stack: Stack, case: str) -> None:
    assert get(secure(stack), case)["strict-transport-security"] == FIGURES["Strict-Transport-Security"]
    assert "strict-transport-security" not in get(Place(stack.base_url), case)


@pytest.mark.production
def test_H1_answer_in_place_of_an_application_that_dies_has_the_policies(stack: Stack) -> None:
    """The front end's own page, when every process of the application is killed within the request."""
    answers: list[Answer] = []
    victims = list(stack.workers())
    asking = threading.Thread(target=lambda: answers.append(ask(secure(stack), "/test/wait?seconds=20")))
    asking.start()
    until(lambda: stack.site.get("/test/streams").json()["running"], "the application is at it")
    stack.signal("KILL", victims)
    asking.join(30)
    until(lambda: stack.site.get("/readyz").ok, "the application is back")
    (answer,) = answers
    assert answer.status in {500, 502, 503}
    assert f"<title>{answer.status} " in answer.text
    assert "· Flask, deployed</title>" in answer.text
    check_policies(answer, of_the_app=False)
    assert answer["strict-transport-security"] == FIGURES["Strict-Transport-Security"]


@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=pytest.mark.production)])
def test_H3_cookies_are_closed_to_scripts_and_other_sites(stack: Stack, scheme: str) -> None:
    """The session's, which every form brings, and that of the guide's chapter."""
    with stack.site if scheme == "http" else stack.tls_site as site:
        form = site.get("/cookies/")
        answer = site.submit("/cookies/", "/cookies/setcookie", {"nm": "somebody"})
        found = form.raw.headers.getlist("Set-Cookie") + answer.raw.headers.getlist("Set-Cookie")
    cookies = {cookie.partition("=")[0]: set(cookie.split("; ")[1:]) for cookie in found}
    assert cookies.keys() == {"session", "userID"}
    for attributes in cookies.values():
        assert {"HttpOnly", "SameSite=Lax"} <= attributes
        assert ("Secure" in attributes) == (scheme == "https")
