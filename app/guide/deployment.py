"""What stands between the browser and this application, and how to have it elsewhere."""

from __future__ import annotations

import os
from typing import NamedTuple

from flask import current_app, request
from flask.typing import ResponseReturnValue

from app.config import Settings
from app.guide.chapter import Chapter

chapter = Chapter(
    "deployment",
    __name__,
    title="Deployment",
    summary="A front end for the network, an application server for Python, and behind both the application.",
)

NO_FRONT_END = "none"  # any other has a folder of its name, with the files to copy
FLAGS = (
    "wsgi.version",
    "wsgi.url_scheme",
    "wsgi.multithread",
    "wsgi.multiprocess",
    "wsgi.run_once",
    "SERVER_SOFTWARE",
    "SERVER_PROTOCOL",
)


class Stop(NamedTuple):
    """A box of the picture, and how a request gets there."""

    name: str
    role: str
    way: str


@chapter.get("/")
def page() -> ResponseReturnValue:
    settings: Settings = current_app.extensions["settings"]
    readme = f"{settings.front_end}/README.md" if settings.front_end != NO_FRONT_END else None
    if settings.hosted:
        readme = "docs/hosted.md"
    flags = {name: request.environ.get(name, "not set") for name in FLAGS}
    return chapter.page(stops=route(settings), flags=flags, readme=readme)


def route(settings: Settings) -> list[Stop]:
    """List what a request passes, from the browser to this process."""
    stops = [Stop("Browser", "the client", "")]
    if settings.hosted:
        stops.append(Stop("Hosted platform", "its proxy: TLS, names, limits", "HTTP"))
    elif settings.front_end != NO_FRONT_END:
        stops.append(Stop(settings.front_end, "front end: TLS, static files, limits", "HTTP"))
    stops.append(Stop(settings.server, "application server", settings.transport))
    stops.append(Stop("app.wsgi:application", f"this application, process {os.getpid()}", "WSGI"))
    return stops
