"""The error pages of the front ends, in the look of the application's own: HTML and JSON for each status.

``python servers/error_pages.py FOLDER [STATIC-FOLDER]`` writes them when an image is built, from the
templates of the application and nothing else of it; it knows ``APP_PREFIX``. The front end puts the
request's id where the SSI tag stands. In ``plain/`` are the pages of a site that is another application's:
without our name.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import default_exceptions

TEMPLATES = Path(__file__).resolve().parents[1] / "app" / "templates"
REQUEST_ID = Markup('<!--#echo var="request_id" -->')

# What happened, and what to do next.
DETAILS = {
    400: "The server does not understand this request; check the address, or go back and send it anew.",
    403: "This address is not open to you; go back, or ask who runs this site for access.",
    404: "There is no page at this address; check its spelling, or start from the first page.",
    405: "This address does not take this method; go back, and use the form or link there.",
    408: "The request took too long to arrive; check your connection, and send it again.",
    413: "What you sent is larger than this site takes; send less than 10 MiB at once.",
    414: "The address is longer than this site takes; send long texts by a form instead.",
    421: "This server does not serve the site of that name; check the address.",
    431: "The headers of the request are too large; delete the cookies of this site, and try again.",
    500: "Something failed here; try again, and tell who runs this site if it fails again.",
    501: "This site does not know this method; go back, and use the form or link there.",
    502: "The application does not answer; wait a few seconds, and try again.",
    503: "The application is not available now; wait a few seconds, and try again.",
    504: "The application took too long to answer; wait a few seconds, and try again.",
    505: "This site does not speak this version of HTTP; try again with a newer browser.",
}


def write(folder: Path, static_folder: Path | None = None, *, prefix: str = "") -> None:
    """Write `<status>.html` and `<status>.json` into `folder`, with the names that `static_folder` gives."""
    manifest = static_folder / "cache_manifest.json" if static_folder else None
    names = json.loads(manifest.read_text(encoding="utf-8")) if manifest and manifest.exists() else {}

    def url_for(endpoint: str, filename: str = "") -> str:
        return f"{prefix}/static/{names.get(filename, filename)}" if endpoint == "static" else f"{prefix}/"

    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.globals.update(
        url_for=url_for, request_id=lambda: REQUEST_ID, get_flashed_messages=lambda **_: (),
        beforehand=True, chapters=(),
    )  # fmt: skip
    (folder / "plain").mkdir(parents=True, exist_ok=True)
    for status, detail in DETAILS.items():
        error = default_exceptions[status](description=detail)
        for page, template in {"": "error.html", "plain/": "plain-error.html"}.items():
            text = environment.get_template(template).render(error=error)
            (folder / f"{page}{status}.html").write_text(text, encoding="utf-8")
        data = {"status": status, "error": error.name, "detail": detail, "request_id": "REQUEST_ID"}
        text = json.dumps(data, sort_keys=True).replace("REQUEST_ID", REQUEST_ID) + "\n"
        (folder / f"{status}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:]), prefix=os.environ.get("APP_PREFIX", ""))
