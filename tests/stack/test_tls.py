"""R2, TLS: versions, suites, what is spoken by it, and what an independent scanner finds."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
from typing import Any

import pytest

from tests.clients import beside, offers_http_3
from tests.figures import FIGURES, SUITES
from tests.stacks import Stack

pytestmark = [pytest.mark.production, pytest.mark.shared]
# What a client of any age may offer; OpenSSL calls what it does by default level 1 or 2.
ANYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


def handshake(
    stack: Stack, version: ssl.TLSVersion, ciphers: str = ANYTHING, protocols: tuple[str, ...] = ()
) -> ssl.SSLSocket:
    """Speak this version of TLS alone, and return the connection; raises ssl.SSLError where it is refused."""
    context = ssl.create_default_context(cafile=stack.authority)
    context.set_ciphers(ciphers)
    context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(protocols)
    sock = socket.create_connection(("127.0.0.1", stack.tls_port), 10)
    try:
        return context.wrap_socket(sock, server_hostname="localhost")
    except ssl.SSLError:
        sock.close()
        raise


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_R2_old_versions_are_refused(stack: Stack, version: str) -> None:
    with pytest.raises(ssl.SSLError, match="alert protocol version"):  # the server's word, not this client's
        handshake(stack, ssl.TLSVersion[version])


@pytest.mark.parametrize("version", [FIGURES["oldest TLS"], "TLSv1.3"])
def test_R2_version_is_spoken_and_the_certificate_is_good(stack: Stack, version: str) -> None:
    with handshake(stack, ssl.TLSVersion[version.replace(".", "_")]) as connection:
        assert connection.version() == version


def test_R2_only_strong_suites_of_tls_1_2_are_taken(stack: Stack) -> None:
    """Those of the certificate's kind, each alone; and none of all others that this client knows."""
    for suite in SUITES:
        if "-ECDSA-" in suite:
            with handshake(stack, ssl.TLSVersion.TLSv1_2, suite) as connection:
                assert connection.cipher()[0] == suite  # type: ignore[index]
    others = ":".join([ANYTHING, *(f"!{suite}" for suite in SUITES)])
    with pytest.raises(ssl.SSLError, match="alert handshake failure"):
        handshake(stack, ssl.TLSVersion.TLSv1_2, others)


@pytest.mark.parametrize(
    ("offered", "chosen"), [(("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), ((), None)]
)
def test_R2_alpn_chooses_http_2(stack: Stack, offered: tuple[str, ...], chosen: str | None) -> None:
    with handshake(stack, ssl.TLSVersion.TLSv1_3, protocols=offered) as connection:
        assert connection.selected_alpn_protocol() == chosen


def test_R2_page_and_upload_by_http_2(stack: Stack) -> None:
    body = b"0123456789" * 500_000
    with stack.http_2() as client:
        page = client.get("/application/hello")
        assert (page.http_version, page.status_code, page.text) == ("HTTP/2", 200, "Hello World")
        echo = client.post("/test/echo", content=body)
        assert (echo.http_version, echo.status_code) == ("HTTP/2", 200)
        seen = echo.json()
    assert (seen["scheme"], seen["body_length"]) == ("https", len(body))
    assert seen["body_sha256"] == hashlib.sha256(body).hexdigest()


# ---- clients that run beside the front end ----


def test_R2_http_3_is_spoken_where_it_is_offered(stack: Stack) -> None:
    for address in ("127.0.0.1", "::1") if offers_http_3(stack) else ():
        output, said = beside(stack, f"python3 /http_3.py {address} /application/hello")
        (visit,) = map(json.loads, output.splitlines())
        assert (visit["status"], visit["body"]) == (200, "Hello World"), said


# ---- an independent scanner ----

SCAN = (
    "testssl --quiet --color 0 --warnings off --nodns none --ip 127.0.0.1 --add-ca /ca.pem"
    " --protocols --server-defaults --server-preference --fs --headers --vulnerable"
    " --jsonfile /tmp/found.json localhost:443 >&2; cat /tmp/found.json"
)
# What is no fault of the server: found all the same, each for this reason.
EXPLAINED = {
    "cert_revocation": "The local authority publishes no list of revoked certificates.",
    "BREACH": "There is compression, by contract (S3); no page writes a token twice in the same way.",
    "engine_problem": "The scanner's own: it has no GOST ciphers.",
    "sessionresumption_ticket": "The scanner's own: it may hang up before TLS 1.3 sends the ticket.",
}


def test_R2_scanner_finds_nothing_above_low(stack: Stack) -> None:
    """testssl.sh, as Debian packages it, in the front end's own network."""
    output, said = beside(stack, SCAN)
    found: list[dict[str, Any]] = json.loads(output)
    assert len(found) > 50, said
    harmless = {"OK", "INFO", "LOW", "DEBUG"}
    severe = {f["id"].split(" ")[0]: f for f in found if f["severity"] not in harmless}
    assert severe.keys() <= EXPLAINED.keys(), said
