"""servers/project: how an application that is not ours is found, and what is put around it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wrappers import Response

from servers import project
from servers.project import MAX_BODY_BYTES, ProjectError, log_configuration, wrap

HELLO = """
def {name}(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{text}"]
"""
Load = Callable[[str], WSGIApplication]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Return what loads from `folder`, as a server does; afterwards all is as it was."""
    before = dict(sys.modules)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield lambda app: project.load(app, folder, folder.parent / "site-packages")
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def said(application: WSGIApplication) -> str:
    return Client(application).get("/").text


# ---- what is found ----


@pytest.mark.parametrize(
    ("app", "text"),
    [
        ("shop.py:one", "one"),
        ("shop.py:within.two", "two"),
        ("shop.py:make()", "three"),
        ("shop.py", "application"),
    ],
)
def test_named_object_is_served(load: Load, folder: Path, app: str, text: str) -> None:
    objects = [HELLO.format(name=name, text=name) for name in ("one", "two", "three", "application", "app")]
    rest = "class within: pass\nwithin.two = two\ndef make(): return three\n"
    write(folder / "shop.py", "".join(objects) + rest)
    assert said(load(app)) == text


@pytest.mark.parametrize(
    ("names", "text"),
    [(("app", "create_app", "application"), "application"), (("create_app", "app"), "app")],
)
def test_file_alone_means_the_usual_names(
    load: Load, folder: Path, names: tuple[str, ...], text: str
) -> None:
    write(folder / "shop.py", "\n".join(HELLO.format(name=name, text=name) for name in names))
    assert said(load("shop.py")) == text


def test_file_alone_means_a_factory_of_the_usual_name(load: Load, folder: Path) -> None:
    write(folder / "shop.py", HELLO.format(name="x", text="made") + "def create_app(config=None): return x\n")
    assert said(load("shop.py")) == "made"


@pytest.mark.parametrize("file", ["shop/__init__.py", "shop/parts/site.py"])
def test_modules_of_a_package_import_each_other(load: Load, folder: Path, file: str) -> None:
    for init in ("shop/__init__.py", "shop/parts/__init__.py"):
        write(folder / init, "")
    write(folder / "shop/words.py", "TEXT = b'words'")
    write(folder / file, "from shop.words import TEXT\n" + HELLO.format(name="app", text="words"))
    assert said(load(file)) == "words"


def test_its_modules_go_before_ours_of_the_same_name(load: Load, folder: Path) -> None:
    import app as ours

    write(folder / "servers/__init__.py", "")
    write(folder / "app/words.py", "")
    text = "import servers\nimport app.words\n" + HELLO.format(name="app", text="its")
    write(folder / "app/__init__.py", text)
    assert said(load("app/__init__.py")) == "its"
    assert sys.modules["app"] is not ours
    assert sys.modules["servers"].__file__ == str(folder / "servers/__init__.py")
    assert sys.modules["servers.project"] is project


def test_it_runs_in_its_folder_with_its_packages_before_the_servers(load: Load, folder: Path) -> None:
    packages = folder.parent / "site-packages"
    write(packages / "werkzeug/__init__.py", "mine = True")
    write(packages / "more.pth", str(folder / "lib"))
    write(folder / "lib/library.py", "")
    write(packages / "string.py", "mine = True")
    write(folder / "data.txt", "here")
    text = "import library, string, werkzeug\nfrom pathlib import Path\n"
    text += "assert werkzeug.mine and not hasattr(string, 'mine') and Path('data.txt').exists()\n"
    for name in [name for name in sys.modules if name.partition(".")[0] == "werkzeug"]:
        del sys.modules[name]
    write(folder / "shop.py", text + HELLO.format(name="app", text=""))
    load("shop.py")
    assert Path.cwd() == folder


DJANGO = """
import os
from django.conf import settings
settings.configure(ROOT_URLCONF="pages", SECRET_KEY="x")
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""


def test_djangos_views_are_imported_with_it(load: Load, folder: Path) -> None:
    """Django would do that with the first request: `make reload` would not see that they are broken."""
    write(folder / "mysite.py", DJANGO)
    write(folder / "pages.py", "import nowhere\nurlpatterns = []\n")
    with pytest.raises(ProjectError, match=r"No module named 'nowhere' \(pages.py, line 1\)$"):
        load("mysite.py")


# ---- what is refused ----

NO_APP = "no WSGI application: it cannot be called with (environ, start_response);"
WRONG = {
    "missing package": (
        "import nowhere", "shop.py",
        "shop.py does not import: ModuleNotFoundError: No module named 'nowhere' (shop.py, line 1)",
    ),
    "deep": (
        "import fractions\n\nfractions.Fraction('x')", "shop.py",
        "shop.py does not import: ValueError: Invalid literal for Fraction: 'x' (shop.py, line 3)",
    ),
    "syntax": (
        "x = 1\ndef f(:\n", "shop.py:f",
        "shop.py does not import: SyntaxError: invalid syntax (shop.py, line 2)",
    ),
    "end": (
        "import sys\nsys.exit('Set DATABASE')", "shop.py",
        "shop.py does not import: SystemExit: Set DATABASE (shop.py, line 2)",
    ),
    "no such name": ("app = 1", "shop.py:site", "shop.py has no site; name its application: shop.py:NAME"),
    "no usual name": (
        "x = 1", "shop.py",
        "shop.py has no application or app or create_app(); name its application: shop.py:NAME",
    ),
    "no callable": (
        "app = {}", "shop.py:app",
        f"shop.py:app is a dict, {NO_APP}"
        " name another object, or app() where it makes one",
    ),
    "factory": (
        "def make(config=None): pass", "shop.py:make",
        f"shop.py:make is a function, {NO_APP}"
        " name another object, or make() where it makes one",
    ),
    "ASGI": (
        "async def app(scope, receive, send): pass", "shop.py:app",
        f"shop.py:app is a function, {NO_APP}"
        " name another object, or app() where it makes one",
    ),
    "factory fails": (
        "def make():\n    raise KeyError('DATABASE')", "shop.py:make()",
        "shop.py:make() fails: KeyError: 'DATABASE' (shop.py, line 2)",
    ),
    "factory of nothing": (
        "def make(): pass", "shop.py:make()",
        f"shop.py:make() is a NoneType, {NO_APP}"
        " name another object, or make() where it makes one",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "app", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_served_is_said_in_a_sentence(
    load: Load, folder: Path, text: str, app: str, sentence: str
) -> None:
    write(folder / "shop.py", text)
    with pytest.raises(ProjectError) as refused:
        load(app)
    assert str(refused.value) == sentence


def test_callable_whose_parameters_are_unknown_is_taken(load: Load, folder: Path) -> None:
    """As are some that are written in C."""
    write(folder / "shop.py", "app = next\n")
    assert callable(load("shop.py"))


# ---- what is put around it ----


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say what arrived; read no more of the body than its length, as most applications do."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    names = ("REMOTE_ADDR", "SCRIPT_NAME", "PATH_INFO", "HTTP_HOST", "wsgi.url_scheme")
    told = {name: environ.get(name) for name in names} | {"length": len(body)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]


def ask(application: WSGIApplication, path: str = "/", **environ: Any) -> dict[str, Any]:
    told: dict[str, Any] = Client(application).get(path, environ_overrides=environ).get_json()
    return told


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_answered_without_it(path: str) -> None:
    def application(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
        raise AssertionError

    answer = Client(wrap(application, prefix="/guide")).get(path)
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("hops", [0, 1])
def test_forwarded_headers_are_believed_as_often_as_there_are_proxies(hops: int) -> None:
    said = {"HTTP_X_FORWARDED_FOR": "192.0.2.7", "HTTP_X_FORWARDED_PROTO": "https"}
    lies = {"HTTP_X_FORWARDED_HOST": "evil.example", "HTTP_X_FORWARDED_PREFIX": "/evil"}
    told = ask(wrap(echo, proxy_hops=hops), REMOTE_ADDR="198.51.100.1", **said, **lies)
    expected = ("192.0.2.7", "https") if hops else ("198.51.100.1", "http")
    assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"]) == expected
    assert (told["HTTP_HOST"], told["SCRIPT_NAME"]) == ("localhost", "")


def test_prefix_becomes_its_script_name_and_nothing_is_outside() -> None:
    application = wrap(echo, prefix="/guide")
    told = ask(application, "/guide/a")
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/guide", "/a")
    assert [Client(application).get(path).status_code for path in ("/", "/guidex")] == [404, 404]


def chunks(size: int) -> WSGIEnvironment:
    environ = EnvironBuilder(method="POST", input_stream=io.BytesIO(b"x" * size)).get_environ()
    environ.pop("CONTENT_LENGTH", None)
    return environ | {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}


@pytest.mark.parametrize("size", [0, 100_000, MAX_BODY_BYTES])
def test_body_in_chunks_gets_a_length(size: int) -> None:
    answer = Response.from_app(wrap(echo), chunks(size))
    assert json.loads(answer.get_data())["length"] == size


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 413)])
def test_body_that_a_front_end_gave_a_length_is_bounded_too(over: int, status: int) -> None:
    """As httpd does for flup, whatever the length."""
    environ = chunks(0) | {"CONTENT_LENGTH": str(MAX_BODY_BYTES + over)}
    del environ["HTTP_TRANSFER_ENCODING"]
    assert Response.from_app(wrap(echo), environ).status_code == status


def test_body_in_chunks_over_the_limit_is_413() -> None:
    assert Response.from_app(wrap(echo), chunks(MAX_BODY_BYTES + 1)).status_code == 413


@pytest.mark.parametrize("own", [None, "default-src 'self'"])
def test_policy_is_added_where_it_has_none(own: str | None) -> None:
    def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Security-Policy", own)] if own else [])
        return []

    answer = Client(wrap(application)).get("/")
    assert answer.headers.getlist("Content-Security-Policy") == [own or project.POLICY]


@pytest.mark.parametrize("streamed", [False, True])
def test_complete_answer_has_its_length_and_a_streamed_one_is_not_held_back(streamed: bool) -> None:
    def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"a")
        pieces = [b"b", b"c"]
        return iter(pieces) if streamed else pieces

    answer = Client(wrap(application)).get("/", buffered=True)
    assert answer.text == "abc"
    expected = (None, "no") if streamed else ("3", None)
    assert (answer.headers.get("Content-Length"), answer.headers.get("X-Accel-Buffering")) == expected


def raised(environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    raise RuntimeError(f"a reason for {environ['PATH_INFO']}")


def raised_later(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield from raised(environ, start_response)


@pytest.mark.parametrize("application", [raised, raised_later])
def test_failure_is_logged_as_json_with_the_requests_id(application: WSGIApplication) -> None:
    configuration = log_configuration()
    configuration["handlers"]["stderr"]["stream"] = stream = io.StringIO()
    configuration["root"] = {}
    configuration["loggers"] = {"project": {"level": "INFO", "handlers": ["stderr"], "propagate": False}}
    logging.config.dictConfig(configuration)
    answer = Client(wrap(application)).get("/x", headers={"X-Request-ID": "0123"})
    assert answer.status_code == 500
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry["exception"].endswith("RuntimeError: a reason for /x")
    told = {key: entry[key] for key in ("level", "logger", "message", "request_id")}
    assert told == {"level": "ERROR", "logger": "project", "message": "GET /x failed", "request_id": "0123"}


def test_limit_is_that_of_our_own_application() -> None:
    from app.config import MAX_BODY_BYTES as OURS

    assert OURS == MAX_BODY_BYTES
