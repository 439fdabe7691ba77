"""R: TLS, the way from HTTP to HTTPS, and the names that the site goes by."""

from __future__ import annotations

import re
import ssl
import warnings
from collections.abc import Iterator

import httpx

from verify.check import check, others_than
from verify.site import STRANGER, NotCheckedError, Site

# https://ssl-config.mozilla.org/#config=intermediate
INTERMEDIATE = {
    f"{exchange}-{suite}"
    for exchange in ("ECDHE-ECDSA", "ECDHE-RSA", "DHE-RSA")
    for suite in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
}
WEAKEST = "ALL:@SECLEVEL=0"
HSTS = 63072000  # s, two years


def needs_tls(site: Site) -> None:
    """Leave out what cannot be seen without TLS."""
    if not site.tls:
        raise NotCheckedError(f"{site.url} is plain HTTP: verify the site's https:// address")


def handshake(site: Site, version: ssl.TLSVersion, suites: str = WEAKEST) -> str:
    """Return the suite agreed on when only `version` and `suites` are offered, "" where refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(suites)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that some of these are old is the point
        context.minimum_version = context.maximum_version = version
    site.counted()
    try:
        with site.wire(context) as wire:
            return wire.suite
    except ssl.SSLError as error:
        if error.reason in ("NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE"):
            raise NotCheckedError(f"this machine's OpenSSL cannot offer {version.name}") from error
        return ""
    except ConnectionError:
        return ""


@check("R2", "TLS 1.2 and 1.3, and nothing older")
def tls_versions(site: Site) -> Iterator[str]:
    """TLS 1.0 and 1.1 can be attacked; 1.3 connects a round trip faster than 1.2."""
    needs_tls(site)
    for new in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        if not handshake(site, new):
            yield f"{new.name} is refused"
    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        if suite := handshake(site, old):
            yield f"{old.name} is accepted ({suite})"


@check("R2", "No suite of TLS 1.2 beyond Mozilla's “intermediate”")
def tls_suites(site: Site) -> Iterator[str]:
    """Without forward secrecy recorded traffic is read once the key leaks; CBC can be manipulated."""
    needs_tls(site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers(WEAKEST)
    names = {suite["name"] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"}
    others = ":".join(sorted(names - INTERMEDIATE))
    if suite := handshake(site, ssl.TLSVersion.TLSv1_2, f"{others}:@SECLEVEL=0"):
        yield f"{suite} is accepted"


@check("R2", "HTTP/2 by ALPN")
def http2(site: Site) -> Iterator[str]:
    """One connection carries all requests of a page: no queue behind a slow answer."""
    needs_tls(site)
    answer = site.by_browser(site.url)
    if (answer.http_version, answer.status_code) != ("HTTP/2", 200):
        yield f"a client that prefers HTTP/2 is answered {answer.status_code} by {answer.http_version}"


@check("R2", f"HSTS for two years ({HSTS} s), by TLS only")
def hsts(site: Site) -> Iterator[str]:
    """Without it the first request of each visit can be kept from TLS by whoever sits in between."""
    said = site.page.headers.get("Strict-Transport-Security")
    if not site.tls:
        if said is None:
            needs_tls(site)
        yield f"sent by plain HTTP: {said}"
        return
    age = re.search(r"max-age=\"?(\d+)", said or "", re.I)
    if age is None or int(age[1]) < HSTS:
        yield f"Strict-Transport-Security: {said}" if said else "no Strict-Transport-Security"


@check("R3", "HTTP is redirected to HTTPS by 308, path and query kept")
def redirect_to_https(site: Site) -> Iterator[str]:
    """What is sent by plain HTTP can be read and changed on its way; 308 keeps a POST a POST."""
    if site.local:
        raise NotCheckedError(f"{site.url.host} is this machine, for which the redirect is off")
    if site.port != (443 if site.tls else 80):
        raise NotCheckedError(f"beside port {site.port}, the other of HTTP and HTTPS cannot be guessed")
    name, path = site.url.netloc.decode(), f"{site.missing()}?a=1&b=%2F"
    answer = site.by_browser(httpx.URL(f"http://{name}{path}"))
    if (answer.status_code, answer.headers.get("Location")) != (308, f"https://{name}{path}"):
        yield f"http: answered {answer.status_code} with Location: {answer.headers.get('Location')}"


@check("R4", "An unknown Host is refused (421 or 400)")
def unknown_host(site: Site) -> Iterator[str]:
    """Who points a name at your address gets your site under it: cookies, caches and links mixed up."""
    longer = f"{site.url.host}.{STRANGER}"
    answers = {
        f"Host: {STRANGER}": site.ask(host=STRANGER),
        f"Host: {longer}": site.ask(host=longer),
        f"GET http://{STRANGER}/": site.ask(target=f"http://{STRANGER}/"),
    }
    yield from others_than((400, 421), answers)


@check("R4", "A missing, malformed or second Host is refused (400)")
def malformed_host(site: Site) -> Iterator[str]:
    """A cache and an application that read it differently are played off against each other."""
    answers = {
        "none": site.ask(host=""),
        "two": site.ask(f"Host: {STRANGER}"),
        "the same one twice": site.ask(f"Host: {site.host}"),
        "a name with a slash": site.ask(host=f"{site.url.host}/x"),
        "a name with a blank": site.ask(host=f"{site.url.host} x"),
    }
    yield from others_than((400,), answers)
