"""H: the headers on every kind of answer; and F1, the pages by which errors are told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx

from verify.check import Run, check
from verify.site import STRANGER, NotCheckedError, Site

SECURITY = {
    "X-Content-Type-Options": r"nosniff",
    "Referrer-Policy": r"strict-origin-when-cross-origin|strict-origin|same-origin|no-referrer",
    "Permissions-Policy": r".+",
    "Cross-Origin-Opener-Policy": r"same-origin",
    "Cross-Origin-Resource-Policy": r"same-origin",
    "Content-Security-Policy": r"(?!.*'unsafe-(inline|eval)').*frame-ancestors 'none'.*",
}
BY_TLS = {"Strict-Transport-Security": r".*max-age=\d.*"}
MADE_WITH = ("X-Powered-By", "X-AspNet-Version", "X-Generator")


def by_kind(wrong: dict[str, list[str]]) -> Iterator[str]:
    """Give what is wrong once for the kinds of answers that have it in common."""
    together: dict[tuple[str, ...], list[str]] = {}
    for what, kinds in wrong.items():
        together.setdefault(tuple(kinds), []).append(what)
    yield from (f"{', '.join(kinds)}: {'; '.join(what)}" for kinds, what in together.items())


def security_headers_on(*kinds: str) -> Run:
    """Return the check of these kinds of answers."""

    def security_headers(site: Site) -> Iterator[str]:
        """They tell the browser what an injected script or a foreign page may not do."""
        wrong: dict[str, list[str]] = {}
        answers = {kind: answer for kind in kinds if (answer := site.kinds()[kind]) is not None}
        for name, value in (SECURITY | (BY_TLS if site.tls else {})).items():
            for kind, answer in answers.items():
                said = answer.headers.get(name)
                if not re.fullmatch(value, said or ""):
                    wrong.setdefault(f"{name}: {said}" if said else f"no {name}", []).append(kind)
        yield from by_kind(wrong)
        if missing := [kind for kind in kinds if kind not in answers]:
            raise NotCheckedError(f"of these the site shows none: {', '.join(missing)}")

    return security_headers


check("H1", "The security headers are on the page")(security_headers_on("page"))
check("H1", "… on a redirect")(security_headers_on("redirect"))
check("H1", "… on static files, and on 304")(security_headers_on("file", "304"))
check("H1", "… on errors")(security_headers_on("404", "404 of a file", "400", "unknown Host", "TRACE"))


@check("H2", "No answer names a version, or what the site is made with")
def versions(site: Site) -> Iterator[str]:
    """Scanners sort sites by version and come back on the day when a hole in it is known."""
    wrong: dict[str, list[str]] = {}
    for kind, answer in site.kinds().items():
        if answer is None:
            continue
        if re.search(r"\d", said := answer.headers.get("Server", "")):
            wrong.setdefault(f"Server: {said}", []).append(kind)
        for name in MADE_WITH:
            if name in answer.headers:
                wrong.setdefault(f"{name}: {answer.headers[name]}", []).append(kind)
        if answer.status_code >= 400 and (
            named := re.search(r"(nginx|Apache|lighttpd)/\d[\w.]*", answer.text)
        ):
            wrong.setdefault(f"{named[0]} in the text", []).append(kind)
    yield from by_kind(wrong)


@check("H2", "Each header is there once")
def once(site: Site) -> Iterator[str]:
    """Of two values clients take the first, the last or none: the policy is what each makes of it."""
    wrong: dict[str, list[str]] = {}
    for kind, answer in site.kinds().items():
        names = [name for name, _ in answer.headers.multi_items()] if answer is not None else []
        for name in dict.fromkeys(names):
            if names.count(name) > 1 and name != "set-cookie":
                wrong.setdefault(f"{names.count(name)} times {name}", []).append(kind)
    yield from by_kind(wrong)


@check("H3", "Cookies are HttpOnly, SameSite and, by TLS, Secure")
def cookies(site: Site) -> Iterator[str]:
    """A session's cookie that a script, a foreign form or plain HTTP gets at is somebody else's session."""
    if not site.cookies:
        raise NotCheckedError("no cookie was set by the page or by those it links to")
    for path, answer in site.cookies.items():
        for cookie in answer.headers.get_list("Set-Cookie"):
            name, *attributes = (part.strip() for part in cookie.split(";"))
            said = {attribute.partition("=")[0].lower(): attribute for attribute in attributes}
            missing = {"HttpOnly", "SameSite", *(["Secure"] if site.tls else [])}
            missing = {attribute for attribute in missing if attribute.lower() not in said}
            if missing or said["samesite"].lower() == "samesite=none":
                lack = f"without {', '.join(sorted(missing))}" if missing else "with SameSite=None"
                yield f"{path}: {name.partition('=')[0]} {lack}"


@check("F1", "Errors are told as asked, in HTML or JSON, with the request's id")
def error_pages(site: Site) -> Iterator[str]:
    """A program cannot read HTML, a person no JSON; by the id each finds out what happened."""
    wrong: dict[str, list[str]] = {}
    for wanted in ("text/html", "application/json"):
        accept = f"Accept: {wanted}"
        for kind, answer in {
            "404": site.ask(accept, target=site.missing()),
            "404 of a file": site.ask(accept, target=site.static + site.missing(".css")[1:]),
            "unknown Host": site.ask(accept, host=STRANGER),
        }.items():
            if answer is None or answer.status_code < 400:
                continue  # R4 has it
            said = answer.headers.get("Content-Type", "no type").partition(";")[0]
            if said != wanted or (wanted == "application/json" and not is_json(answer)):
                wrong.setdefault(kind, []).append(f"{wanted} is asked for, {said} comes")
            elif (identity := answer.headers.get("X-Request-ID", "?")) not in answer.text:
                wrong.setdefault(kind, []).append(f"the {wanted} does not tell the request's id ({identity})")
    if wrong.keys() == {"404"}:  # what the site answers by itself is right
        raise NotCheckedError(f"the site's own are; of the application's 404, {'; '.join(wrong['404'])}")
    yield from (f"{kind}: {seen}" for kind, all_seen in wrong.items() for seen in all_seen)


def is_json(answer: httpx.Response) -> bool:
    """Say whether the text is what its type says."""
    try:
        json.loads(answer.text)
    except ValueError:
        return False
    return True
