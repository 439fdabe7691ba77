"""The policy's figures stand in every server's own file, as literals: all say what docs/contract.md says."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests import differences
from tests.figures import FIGURES, ROWS
from tests.profiles import FRONT_ENDS, PROFILES, ROOT, sibling

SITE = {
    "apache": "apache/sites-available/app.conf",
    "nginx": "nginx/sites-available/app.conf",
    "lighttpd": "lighttpd/conf-available/50-app.conf",
}
PROCESS = {
    "apache": "apache/conf-available/server.conf",
    "nginx": "nginx/nginx.conf",
    "lighttpd": "lighttpd/lighttpd.conf",
}


@dataclass(frozen=True)
class Literal:
    """Where a figure stands: all that `pattern` finds in `file`, each times `scale`, with `unit`."""

    file: str
    pattern: str
    unit: str = ""
    scale: float = 1

    def values(self) -> set[str]:
        """Return what the file says, written as the contract writes it."""
        found = re.findall(self.pattern, (ROOT / self.file).read_text(encoding="utf-8"), re.M)
        return {f"{float(text) * self.scale:g}{self.unit}" if self.unit else joined(text) for text in found}


@dataclass(frozen=True)
class Default:
    """The server's own default is the figure: `directive` must not be there. A test of the row notices."""

    directive: str
    link: str


def joined(text: str | tuple[str, ...]) -> str:
    """Return a value as the contract writes it: strings that a server's file joins, suites by spaces."""
    text = "".join(text)
    return re.sub(r'"\s*\.\.\s*"', "", text).replace(":ECDHE", " ECDHE")


MIB, KIB = 1 / 1024**2, 1 / 1024
HTTPD = "https://httpd.apache.org/docs/2.4/mod/core.html#"
NGINX = "https://nginx.org/en/docs/http/"

# Figure → server → where it stands there. What is nowhere is in differences.csv, with its reason.
PLACES: dict[str, dict[str, Literal | Default]] = {
    "body": {
        "app": Literal("app/config.py", r"^MAX_BODY_BYTES = (\d+) \* 1024 \* 1024$", " MiB"),
        "apache": Literal(SITE["apache"], r"(?:Length'\) -gt|RequestBody) (\d+)\"?$", " MiB", MIB),
        "nginx": Literal(SITE["nginx"], r"^ +client_max_body_size (\d+)m;$", " MiB"),
        "lighttpd": Literal(SITE["lighttpd"], r"^server.max-request-size = (\d+)$", " MiB", KIB),
    },
    "request line": {
        "apache": Default("LimitRequestLine", f"{HTTPD}limitrequestline"),
        "nginx": Default("large_client_header_buffers", f"{NGINX}ngx_http_core_module.html"),
        "lighttpd": Literal("lighttpd/lua/request.lua", r"> (\d+) then return 414", " KiB", KIB),
    },
    "one header": {
        "apache": Default("LimitRequestFieldSize", f"{HTTPD}limitrequestfieldsize"),
        "nginx": Default("large_client_header_buffers", f"{NGINX}ngx_http_core_module.html"),
        "lighttpd": Literal("lighttpd/lua/request.lua", r"> (\d+) or number > ", " KiB", KIB),
    },
    "headers": {
        "apache": Default("LimitRequestFields ", f"{HTTPD}limitrequestfields"),
        "nginx": Literal("nginx/njs/limits.js", r"length > (\d+) "),
        "lighttpd": Literal("lighttpd/lua/request.lua", r"or number > (\d+) then return 431"),
    },
    "headers complete": {
        "apache": Literal(SITE["apache"], r"RequestReadTimeout .*header=(\d+)\b", " s"),
        "nginx": Literal(SITE["nginx"], r"^ +client_header_timeout (\d+)s;$", " s"),
        "lighttpd": Literal(SITE["lighttpd"], r"^server.max-read-idle = (\d+)$", " s"),
    },
    "body pauses": {
        "apache": Literal(SITE["apache"], r"RequestReadTimeout .*body=(\d+),", " s"),
        "nginx": Literal(SITE["nginx"], r"^ +client_body_timeout (\d+)s;$", " s"),
        "lighttpd": Literal(SITE["lighttpd"], r"^server.max-read-idle = (\d+)$", " s"),
    },
    "body rate": {
        "apache": Literal(SITE["apache"], r"RequestReadTimeout .*,MinRate=(\d+)$", " B/s"),
    },
    "view": {
        "apache": Literal(SITE["apache"], r" (?:socket-)?timeout=(\d+)\b", " s"),
        "apache-express": Literal("apache-express/mod_wsgi-express.sh", r"--socket-timeout (\d+)", " s"),
        "nginx": Default("_read_timeout", f"{NGINX}ngx_http_proxy_module.html#proxy_read_timeout"),
        "lighttpd": Literal(SITE["lighttpd"], r'"read-timeout" => (\d+),$', " s"),
    },
    "idle connection": {
        "apache": Literal(SITE["apache"], r"^ +KeepAliveTimeout (\d+)$", " s"),
        "nginx": Literal(SITE["nginx"], r"^ +keepalive_timeout (\d+)s;$", " s"),
        "lighttpd": Literal(SITE["lighttpd"], r"^server.max-keep-alive-idle = (\d+)$", " s"),
    },
    "tries to log in": {"app": Literal("app/limits.py", r"^TRIES_A_MINUTE = (\d+)$", "/min")},
    "oldest TLS": {
        "apache": Default(
            "SSLProtocol", "https://www.openssl.org/docs/man3.5/man3/SSL_CTX_set_security_level.html"
        ),
        "nginx": Default("ssl_protocols", f"{NGINX}ngx_http_ssl_module.html#ssl_protocols"),
        "lighttpd": Literal(SITE["lighttpd"], r'"MinProtocol" => "(TLSv1.2)"'),
    },
    "TLS 1.2 suites": {
        "apache": Literal(SITE["apache"], r"^ +SSLCipherSuite (\S+)$"),
        "nginx": Literal(SITE["nginx"], r"^ +ssl_ciphers (\S+);$"),
        "lighttpd": Literal(SITE["lighttpd"], r'"CipherString" => "(\S+)"'),
    },
    "Strict-Transport-Security": {
        "apache": Literal(SITE["apache"], r"^ +Header always set Strict-Transport-Security (\S+)$"),
        "nginx": Literal(SITE["nginx"], r"^map \$https \$transport_security {\n +on (\S+);$"),
        "lighttpd": Literal(
            "lighttpd/lua/response.lua", r'\["Strict-Transport-Security"\] = .*"(max-age.*)"'
        ),
    },
    "Cache-Control, fingerprinted": {
        "apache": Literal(SITE["apache"], r'\{32\}.*\n +Header set Cache-Control "(.*)"$'),
        "nginx": Literal(SITE["nginx"], r'^ +"~\^/static/\.\*-\[0-9a-f\]\{32\}\\\." "(.*)";$'),
        "lighttpd": Literal("lighttpd/lua/static.lua", r'\["Cache-Control"\] = .* and "(.*)" or '),
    },
    "Cache-Control, others": {
        "apache": Literal(SITE["apache"], r"^    Header set Cache-Control (\S+)$"),
        "nginx": Literal(SITE["nginx"], r"^ +~\^/static/ (\S+);$"),
        "lighttpd": Literal("lighttpd/lua/static.lua", r'\["Cache-Control"\] = .* or "(.*)"$'),
    },
}
for name in (figure for figure, row in ROWS.items() if row == "H1"):
    variable = r"\$sent_http_" + name.lower().replace("-", "_")
    PLACES[name] = {
        "apache": Literal(SITE["apache"], rf'^ +Header always set {name} "?(.*?)"? "expr=.*"$'),
        "nginx": Literal(SITE["nginx"], rf'^map {variable} \S+ {{\n +"" "?(.*?)"?;$'),
        "lighttpd": Literal("lighttpd/lua/response.lua", rf'^ +\["{name}"\] = "((?:.|\n)*?)",$'),
    }
    if name != "Content-Security-Policy":
        PLACES[name]["app"] = Literal("app/headers.py", rf'^    "{name}": "(.*)",$')
# Only the application counts tries, for all processes.
OF_THE_APP = {"tries to log in"}
# A variant's site file stands alone, but these parts of it are its own.
OWN_SECTIONS = {"", "Edit this block", "Application"}


def place(figure: str, server: str) -> Literal | Default | None:
    """Return where a figure stands in a server's files; a variant has those of its sibling, or copies."""
    own, shared = PLACES[figure].get(server), PLACES[figure].get(sibling(server))
    if own or not isinstance(shared, Literal):
        return own or shared
    copy = shared.file.replace(sibling(server), server, 1)
    return replace(shared, file=copy) if (ROOT / copy).exists() else shared


def sections(file: Path) -> list[tuple[str, str]]:
    """Return the sections of a site file, in their order; the first has no name."""
    text = re.split(r"# [-=]{4} ([^:\n]+?)(?:: .*)? [-=]{4}\n", file.read_text(encoding="utf-8"))
    return list(zip(["", *text[1::2]], text[::2], strict=True))


def test_every_figure_has_its_place() -> None:
    assert PLACES.keys() == FIGURES.keys()


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("server", ["app", *FRONT_ENDS])
def test_figure_of_a_server_is_the_contracts(server: str, figure: str) -> None:
    found = place(figure, server)
    if isinstance(found, Default):
        for file in (ROOT / server).rglob("*.conf"):
            assert found.directive not in file.read_text(encoding="utf-8"), f"{file}: no default any more"
    elif found:
        assert found.values() == {FIGURES[figure]}
    elif server != "app" and figure not in OF_THE_APP:
        behind = [profile.name for profile in PROFILES.values() if profile.front == server]
        known = {one.row for one in differences.declared() if any(map(one.concerns, behind))}
        assert ROWS[figure] in known, f"{figure} stands nowhere in {server}'s files"


@pytest.mark.parametrize("front", [front for front in FRONT_ENDS if front != sibling(front)])
def test_variant_differs_from_its_sibling_in_the_marked_block_and_the_application_alone(front: str) -> None:
    """So that it can stand alone, as one file, and yet say what the sibling says."""
    (site,) = (ROOT / front).glob("*-available/*app.conf")
    others = sections(ROOT / sibling(front) / site.relative_to(ROOT / front))
    ours = sections(site)
    assert {name for name, _ in ours} == {name for name, _ in others} > OWN_SECTIONS
    shared, theirs = ([part for part in found if part[0] not in OWN_SECTIONS] for found in (ours, others))
    assert len(shared) == len(theirs)
    for (name, text), (_, other) in zip(shared, theirs, strict=True):
        assert text == other, f"{name} is not what {sibling(front)} says"


@pytest.mark.parametrize(
    "directive",
    ["ThreadsPerChild", "MaxRequestWorkers", "StartServers", "MaxSpareThreads", "AsyncRequestWorkerFactor"],
)
def test_httpd_has_the_same_threads_with_mod_wsgi_express(directive: str) -> None:
    """Where a process has fewer, those that are taken cost connections that wait for their next request."""
    said = [
        re.findall(rf"^{directive} (\d+)$", (ROOT / file).read_text(encoding="utf-8"), re.M)
        for file in (PROCESS["apache"], "apache-express/sites-available/app.conf")
    ]
    assert said[0] == said[1] != []
