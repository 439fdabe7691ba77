"""S: files, found by the links of the page, their caching and compression; and what must not be served."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx

from verify.check import check, others_than
from verify.site import FINGERPRINT, NotCheckedError, Site, path_of

TYPES = {
    ".css": "text/css",
    ".js": "(text|application)/javascript",
    ".svg": r"image/svg\+xml",
    ".png": "image/png",
    ".html": "text/html",
    ".ico": "image/(x-icon|vnd.microsoft.icon)",
}
KIBIBYTE = 1024


@check("S2", "Files have validators, and an unchanged one is answered by 304")
def validators(site: Site) -> Iterator[str]:
    """A browser that has the file asks whether it changed instead of fetching it again."""
    file, path = site.file(), path_of(site.file())
    for name, value in site.conditions(file).items():
        yield from others_than((304,), {f"{path} with {name}": site.get(path, {name: value})})


@check("S2", "A Range of a file is answered by 206")
def ranges(site: Site) -> Iterator[str]:
    """Downloads that broke off go on, and media can be skipped through."""
    file, path = site.file(), path_of(site.file())
    answer = site.get(path, {"Range": "bytes=0-9"})
    if (answer.status_code, answer.content) != (206, file.content[:10]):
        yield f"{path}: for its first ten bytes {answer.status_code} with {len(answer.content)} bytes"


@check("S2", "Files are labelled with their type, text with its charset")
def types(site: Site) -> Iterator[str]:
    """With nosniff a style sheet without its type is not applied; without a charset umlauts break."""
    for file in [site.file(), *site.files[1:]]:
        path, said = path_of(file), file.headers.get("Content-Type", "none")
        kind, _, rest = said.partition(";")
        if kind == "none" or not re.fullmatch(TYPES.get("." + path.rpartition(".")[2], ".*"), kind):
            yield f"{path}: Content-Type: {said}"
        elif kind in ("text/css", "text/html") and "charset=utf-8" not in rest.lower():
            yield f"{path}: {said} without charset=utf-8"


@check("S2", "Fingerprinted files are kept for a year, others asked for again")
def cache_control(site: Site) -> Iterator[str]:
    """Without Cache-Control browsers guess: the second visit is slow, or shows old files after a release."""
    files = [site.file(), *site.files[1:]]
    if all(FINGERPRINT.search(path_of(file)) for file in files):
        files.append(site.file_without_fingerprint())
    for file in files:
        path, said = path_of(file), file.headers.get("Cache-Control", "")
        wanted = {"public", "max-age=31536000", "immutable"} if FINGERPRINT.search(path) else {"no-cache"}
        if not wanted <= set(re.split(r"\s*,\s*", said)):
            yield f"{path}: " + (f"Cache-Control: {said}" if said else "no Cache-Control")


def not_compressed(site: Site, answers: list[httpx.Response]) -> Iterator[str]:
    """Ask for each of these again, compressed, and say what is wrong."""
    for path in [path_of(answer) for answer in answers]:
        for coding in ("gzip", "br"):
            answer = site.get(path, {"Accept-Encoding": coding})
            if answer.headers.get("Content-Encoding") != coding:
                yield f"{path} is not compressed for a client that takes {coding}"
            elif "accept-encoding" not in answer.headers.get("Vary", "").lower():
                yield f"{path} by {coding} has no Vary: Accept-Encoding"


@check("S3", "Pages over 1 KiB are compressed by gzip and Brotli, with Vary")
def page_compressed(site: Site) -> Iterator[str]:
    """HTML shrinks to a quarter; without Vary a cache hands the wrong form to the next client."""
    if len(site.page.content) <= KIBIBYTE:
        raise NotCheckedError(f"the page has {len(site.page.content)} bytes only")
    yield from not_compressed(site, [site.get()])


@check("S3", "Static text is compressed by gzip and Brotli, with Vary")
def files_compressed(site: Site) -> Iterator[str]:
    """Style sheets and scripts shrink to a quarter; compressed at build time they cost the server nothing."""
    text = [file for file in site.files if re.search("text|script|svg", file.headers.get("Content-Type", ""))]
    if not (large := [file for file in text if len(file.content) > KIBIBYTE]):
        raise NotCheckedError("the page links to no text file over 1 KiB on this host")
    yield from not_compressed(site, large)


@check("S3", "Small answers are left as they are")
def small_answers(site: Site) -> Iterator[str]:
    """What fits into one packet gains nothing: compression costs time and makes it longer."""
    path, as_json = site.missing(), {"Accept": "application/json"}
    size = len(site.get(path, as_json).content)
    if size > KIBIBYTE // 2:
        raise NotCheckedError("no small answer was found")
    packed = site.get(path, as_json | {"Accept-Encoding": "gzip, br"}).headers.get("Content-Encoding")
    if packed:
        yield f"{size} bytes come by {packed}"


@check("S4", "Dotfiles are not there (404)")
def dotfiles(site: Site) -> Iterator[str]:
    """A forgotten .env or .git gives passwords and the source away; scanners ask for them within minutes."""
    if site.get(site.missing()).status_code == 200:
        raise NotCheckedError("every path is answered by 200 here, whether it names something or not")
    folders, names = dict.fromkeys(("/", site.static)), (".git/config", ".env", ".htaccess", ".svn/entries")
    paths = [folder + name for folder in folders for name in names]
    yield from others_than((404,), {path: site.get(path) for path in paths})


@check("S4", "Folders of static files are not there (404)")
def listings(site: Site) -> Iterator[str]:
    """A listing shows what nobody linked to, and a 403 that there is something to look for."""
    if not path_of(site.file()).startswith(site.static):
        raise NotCheckedError("the page links to no static file in a folder of this host")
    yield from others_than((404,), {site.static: site.get(site.static)})
