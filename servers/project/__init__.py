"""A project that is not ours, in place of `app`: `make up APP=…` mounts this folder at /srv/app/app.

So every server loads it as `app.wsgi`, as it loads ours. Around the project's application stands what is
asked of any here: health checks, the client's address, limits, the request's id in a log of JSON.
"""

from __future__ import annotations

import importlib
import inspect
import logging.config
import os
import re
import site
import sys
import traceback
from collections.abc import Iterable
from contextvars import ContextVar
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

FOLDER = Path("/srv/project")
PACKAGES = Path("/srv/project-venv/lib/python{}.{}/site-packages".format(*sys.version_info))
NAMES = ("application", "app", "create_app()")
"""What is looked for, in this order, where APP names a file alone."""
MAX_BODY_BYTES = 10 * 1024 * 1024
PROBES = {"/healthz", "/readyz"}
# What a page bears that was written without a policy; the front ends' own would forbid its scripts and forms.
POLICY = "base-uri 'self'; object-src 'none'; frame-ancestors 'none'"

request_id: ContextVar[str] = ContextVar("request_id", default="")
log = logging.getLogger("project")


class ProjectError(Exception):
    """Why the application cannot be served; its text is one sentence."""


# ---- loading ----


def load(app: str, folder: Path = FOLDER, packages: Path = PACKAGES) -> WSGIApplication:
    """Return what `app` names, FILE.py or FILE.py:NAME or FILE.py:NAME(), of the project in `folder`."""
    file, _, name = app.partition(":")
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    # Before the server's own: of what both have, the project gets its version. Behind the standard library.
    ours = next((place for place, path in enumerate(sys.path) if path.endswith("-packages")), len(sys.path))
    sys.path.insert(ours, str(packages))
    site.addsitedir(str(packages))
    module = _import(file, folder)
    for candidate in [name] if name else NAMES:
        attribute, call, _ = candidate.partition("()")
        try:
            found = attrgetter(attribute)(module)
        except AttributeError:
            continue
        if call:
            try:
                found = found()
            except (Exception, SystemExit) as error:
                raise ProjectError(f"{file}:{candidate} fails: {_told(error, folder)}") from error
        if not _takes_requests(found):
            raise ProjectError(
                f"{file}:{candidate} is a {type(found).__name__}, no WSGI application: it cannot be called"
                f" with (environ, start_response); name another object, or {attribute}() where it makes one"
            )
        return found  # type: ignore[no-any-return]
    raise ProjectError(f"{file} has no {name or ' or '.join(NAMES)}; name its application: {file}:NAME")


def _import(file: str, folder: Path) -> Any:
    """Import a file of the project, whose names go before ours: it may well have an `app`."""
    own = {name: sys.modules[name] for name in list(sys.modules) if re.match(r"(app|servers)(\.|$)", name)}
    for name in own:
        del sys.modules[name]
    try:
        module = importlib.import_module(".".join(Path(file).with_suffix("").parts).removesuffix(".__init__"))
        if "django.core.wsgi" in sys.modules:  # its views would be imported with the first request
            importlib.import_module("django.urls").get_resolver().url_patterns  # noqa: B018
        return module
    except (Exception, SystemExit) as error:
        raise ProjectError(f"{file} does not import: {_told(error, folder)}") from error
    finally:
        loading = f"{__name__}.wsgi"  # its importer asks for it
        sys.modules.update({n: m for n, m in own.items() if n not in sys.modules or n == loading})


def _told(error: BaseException, folder: Path) -> str:
    """Return an exception's last line, and the last place in the project that led to it."""
    *_, said = traceback.format_exception_only(error)
    frames = traceback.extract_tb(error.__traceback__)
    places = [(frame.filename, frame.lineno) for frame in frames]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    here = [(Path(name), line) for name, line in places if Path(name).is_relative_to(folder)]
    return said.strip() + "".join(f" ({name.relative_to(folder)}, line {line})" for name, line in here[-1:])


def _takes_requests(found: Any) -> bool:
    try:
        inspect.signature(found).bind({}, None)
    except TypeError:
        return False
    except ValueError:  # written in C: it tells nothing
        return callable(found)
    return True


# ---- what servers and front ends ask of it ----


def wrap(application: WSGIApplication, *, proxy_hops: int = 0, prefix: str = "") -> WSGIApplication:
    """Return the application as our front ends take it; `prefix` is where the site has it (`/guide`)."""
    # Not before the project is loaded: it may have brought a Werkzeug of its own.
    from werkzeug.exceptions import InternalServerError, NotFound, RequestEntityTooLarge
    from werkzeug.middleware.dispatcher import DispatcherMiddleware
    from werkzeug.middleware.proxy_fix import ProxyFix
    from werkzeug.test import run_wsgi_app
    from werkzeug.wrappers import Response

    if prefix:
        application = DispatcherMiddleware(NotFound(), {prefix: application})
    healthy = Response('{"status":"ok"}\n', mimetype="application/json")

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] in PROBES:
            return healthy(environ, start_response)
        request_id.set(environ.get("HTTP_X_REQUEST_ID", ""))
        complete = False

        def noticed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            nonlocal complete
            body = (application if _whole(environ) else RequestEntityTooLarge())(environ, start_response)
            complete = isinstance(body, list | tuple)
            return body

        try:
            body, status, headers = run_wsgi_app(noticed, environ)
        except Exception:
            log.exception("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            body, status, headers = run_wsgi_app(InternalServerError(), environ)
        headers.setdefault("Content-Security-Policy", POLICY)
        # Front ends do not compress what is short, and nginx would hold back what is streamed.
        if complete and (length := sum(map(len, body := list(body)))):
            headers.setdefault("Content-Length", str(length))
        elif "Content-Length" not in headers:
            headers.setdefault("X-Accel-Buffering", "no")
        start_response(status, list(headers))
        return body

    return ProxyFix(answer, x_for=proxy_hops, x_proto=proxy_hops, x_host=0) if proxy_hops else answer


def _whole(environ: WSGIEnvironment) -> bool:
    """Give a body that comes in chunks a length, as most front ends do; return False if it is too large.

    httpd gives one a length for flup, and does not bound it.
    """
    if "CONTENT_LENGTH" in environ:
        return int(environ["CONTENT_LENGTH"] or 0) <= MAX_BODY_BYTES
    if "HTTP_TRANSFER_ENCODING" not in environ:
        return True
    body = BytesIO()
    while piece := environ["wsgi.input"].read(64 * 1024):
        body.write(piece)
        if body.tell() > MAX_BODY_BYTES:
            return False
    environ["CONTENT_LENGTH"] = str(body.tell())
    del environ["HTTP_TRANSFER_ENCODING"]
    body.seek(0)
    environ["wsgi.input"] = body
    return True


def log_configuration() -> dict[str, Any]:
    """Return what `logging.config.dictConfig` takes: as app/log.py has it, but for what needs Flask."""

    def named(record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True

    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request": {"()": lambda: named}},
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": "{levelname}{name}{message}{request_id}",
                "style": "{",
                "rename_fields": {"levelname": "level", "name": "logger", "exc_info": "exception"},
                "timestamp": "time",
            }
        },
        # Not sys.stderr: mod_wsgi's would put httpd's own words before each line.
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "filters": ["request"],
                "stream": open(2, "w", encoding="utf-8", buffering=1, closefd=False),
            }
        },
        "root": {"level": "INFO", "handlers": ["stderr"]},
    }
