"""The hosted platforms of docs/hosted.md: what each of them starts, what it says to it, how it ends it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.models.containers import Container
from google.appengine.api import appinfo
from honcho.environ import parse_procfile

import docker
from app.guide import CHAPTERS
from tests.profiles import ROOT
from tests.site import Site
from tests.stacks import Stack, begun, copy_of_repository, free_port, until

pytestmark = pytest.mark.xdist_group("host")

SECRET = "a secret of the tests, long enough for the check"
MISSING = "Error: The secret key /run/secrets/secret_key cannot be read (No such file or directory);"
APP_YAML = appinfo.LoadSingleAppInfo((ROOT / "app.yaml").read_text(encoding="utf-8"))
HOSTED = (ROOT / "docs/hosted.md").read_text(encoding="utf-8")
# What a person is to say to Cloud Run.
CLOUD_RUN = dict(pair.split("=") for pair in re.findall('--set-env-vars "(.+)"', HOSTED)[0].split(","))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with the static files, as one makes them before a deployment."""
    folder = copy_of_repository(tmp_path_factory.mktemp("hosted"))
    subprocess.run(["make", "static", "secrets"], cwd=folder, check=True, capture_output=True, timeout=600)
    return folder


def answers(site: Site) -> bool:
    with suppress(requests.ConnectionError):
        return site.get("/readyz").ok
    return False


def assert_serves_the_guide(site: Site) -> set[str]:
    """See every chapter, store a student in both databases, and return the static files that pages name."""
    paths = ["/", "/sijax/hello", *(f"/{chapter.slug}/" for chapter in CHAPTERS)]
    pages = [site.get(path) for path in paths]
    assert {page.status_code for page in pages} == {200}
    files = {path for page in pages for path in re.findall(r'"(/static/[^"]+)"', page.text)}
    assert {re.sub("-[0-9a-f]{32}", "", file) for file in files} >= {
        "/static/site.css",
        "/static/vendor/pico.classless.min.css",
        "/static/vendor/jquery.min.js",
        "/static/vendor/sijax/sijax.js",
    }
    for file in files:
        answer = site.get(file)
        assert answer.ok, file
        assert answer.content
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    student = {"nm": "Ann", "add": "1 Street", "city": "Town", "pin": "1"}
    assert "Record successfully added" in site.submit("/sqlite/enternew", "/sqlite/addrec", student).text
    student = {"name": "Ann", "addr": "1 Street", "city": "Town", "pin": "1"}
    assert site.submit("/sqlalchemy/new", "/sqlalchemy/new", student).status_code == 302
    assert "Ann" in site.get("/sqlalchemy/").text
    # Who would keep strangers away from it?
    assert site.get("/metrics").status_code == 404
    return files


def assert_believes_one_hop(site: Site) -> None:
    """Ask as a platform's proxy does, after which comes what the client itself said."""
    said = {
        "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Prefix": "/evil",
        "X-Request-ID": "01234567-89ab-cdef-0123-456789abcdef",
        "Host": "guide.example.org",
    }
    answer = site.get("/test/echo", headers=said)
    seen = answer.json()
    assert (seen["client"], seen["scheme"]) == ("198.51.100.7", "https")
    assert (seen["host"], seen["script_name"]) == ("guide.example.org", "")
    assert answer.headers["X-Request-ID"] == said["X-Request-ID"]


@contextmanager
def slow_visitor(site: Site, seconds: float) -> Iterator[Any]:
    """Have a request under way that takes so long; yield its future."""
    with ThreadPoolExecutor() as pool:
        request = pool.submit(
            requests.get, f"{site.base_url}test/wait", {"seconds": str(seconds)}, timeout=60
        )
        until(lambda: site.get("/test/streams").json()["running"] > 0, "the request has begun")
        yield request


# ---- Heroku ----


def dyno(checkout: Path, *command: str, **config: str) -> subprocess.Popen[str]:
    """Start what Heroku's shell starts, after .profile; `config` are the config vars."""
    return subprocess.Popen(
        ["bash", "-c", '. "$HOME/.profile" && exec "$@"', "bash", *command],
        cwd=checkout, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "HOME": str(checkout),
             "TMPDIR": str(checkout / "tmp"), **config},
    )  # fmt: skip


def test_heroku_releases_then_serves_then_ends(checkout: Path) -> None:
    (checkout / "tmp").mkdir()
    release = dyno(checkout, "honcho", "start", "release", SECRET_KEY=SECRET)
    assert "The schema is at revision" in release.communicate(timeout=60)[0]
    assert release.returncode == 0

    site = Site(f"http://127.0.0.1:{free_port()}")
    port = site.base_url.split(":")[-1].strip("/")
    web = dyno(checkout, "honcho", "start", "web", SECRET_KEY=SECRET, PORT=port, APP_TEST_VIEWS="true")
    try:
        until(lambda: answers(site), "the web process answers")
        assert_serves_the_guide(site)
        assert_believes_one_hop(site)
        assert SECRET not in Path(f"/proc/{web.pid}/environ").read_text(encoding="utf-8")
        assert (checkout / ".secret_key").stat().st_mode & 0o777 == 0o600
        with slow_visitor(site, 2) as request:
            web.send_signal(signal.SIGTERM)
            assert request.result().json()["waited"] == 2.0
        said = web.communicate(timeout=20)[0]
        assert "stopped (rc=0)" in said
        assert "Traceback" not in said
    finally:
        web.kill()
        web.wait()


def test_heroku_without_a_secret_says_what_to_type(checkout: Path) -> None:
    web = dyno(checkout, "honcho", "start", "web", PORT="1")
    (said,) = web.communicate(timeout=20)[0].splitlines()
    assert web.returncode != 0
    assert "SECRET_KEY: is not set; make one: heroku config:set SECRET_KEY=" in said


def test_heroku_without_a_port_says_so(checkout: Path) -> None:
    assert not Path("/run/app").exists()
    command = parse_procfile((checkout / "Procfile").read_text(encoding="utf-8")).processes["web"]
    web = dyno(checkout, "sh", "-c", command, SECRET_KEY=SECRET)
    assert web.communicate(timeout=20)[0].splitlines() == [
        "Error: there is no folder /run/app for the socket; make it, or say in PORT where to listen."
    ]
    assert web.returncode == 1


def test_what_heroku_and_app_engine_install_is_what_is_tested(checkout: Path) -> None:
    install = [".venv/bin/pip", "install", "--dry-run", "--no-deps", "--no-index", "-r", "requirements.txt"]
    said = subprocess.run(install, cwd=checkout, check=True, capture_output=True, text=True).stdout
    assert "Requirement already satisfied: gunicorn==" in said
    assert "Would install" not in said


def test_the_platforms_python_is_that_of_the_images() -> None:
    version = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    assert APP_YAML.runtime == f"python{version.replace('.', '')}"
    image = Stack.image_name("gunicorn")
    said = docker.from_env().containers.run(image, ["python", "--version"], remove=True).decode()
    assert said.startswith(f"Python {version}.")


# ---- Google Cloud ----


@contextmanager
def instance(
    environment: dict[str, str], files: dict[Path, str], folder: str = "/srv/app", command: str | None = None
) -> Iterator[tuple[Container, Site]]:
    """Run the image of gunicorn as a platform does: on PORT, with nothing to write to but /tmp.

    `files` are mounted where it says; `command` takes the place of the image's own, in `folder`.
    """
    port = free_port()
    container = docker.from_env().containers.run(
        Stack.image_name("gunicorn"),
        ["sh", "-c", command] if command else None,
        detach=True,
        environment={"PORT": "8080", "APP_TEST_VIEWS": "true", **environment},
        volumes={str(here): {"bind": there, "mode": "ro"} for here, there in files.items()},
        working_dir=folder,
        read_only=True,
        tmpfs={"/tmp": ""},
        ipc_mode="none",  # no /dev/shm
        cap_drop=["ALL"],
        mem_limit="512m",
        ports={"8080/tcp": ("127.0.0.1", port)},
    )
    try:
        yield container, Site(f"http://127.0.0.1:{port}")
    finally:
        container.remove(force=True, v=True)


@pytest.fixture
def secret(checkout: Path) -> dict[Path, str]:
    """Return the secret as Cloud Run mounts it."""
    return {checkout / "secrets/secret_key": "/run/secrets/secret_key"}


def test_cloud_run_container_serves_the_guide(secret: dict[Path, str]) -> None:
    with instance(CLOUD_RUN, secret) as (_, site):
        until(lambda: answers(site), "the container answers")
        assert_serves_the_guide(site)
        assert_believes_one_hop(site)


@pytest.mark.alone
def test_cloud_run_container_starts_within_5_s_and_ends_within_10(secret: dict[Path, str]) -> None:
    with instance(CLOUD_RUN, secret) as (container, site):
        until(lambda: answers(site), "the container answers")
        assert time.time() - begun(container) < 5
        # Of two requests at its end the one is answered; the other takes too long.
        with slow_visitor(site, 60), slow_visitor(site, 2) as request:
            container.stop(timeout=10)
            assert request.result().json()["waited"] == 2.0
        assert container.wait()["StatusCode"] == 0  # it was not killed


def test_cloud_run_container_without_a_secret_says_so() -> None:
    with instance(CLOUD_RUN, {}) as (container, _):
        assert container.wait(timeout=30)["StatusCode"] == 1
        (said,) = container.logs().decode().splitlines()
        assert said.startswith(MISSING)


@pytest.fixture(scope="module")
def upload(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what App Engine gets of a checkout: git reads patterns as gcloud does."""
    (checkout / "secret_key").write_text(SECRET, encoding="ascii")
    (checkout / ".env").write_text("BIND=0.0.0.0\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    names = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-from=.gcloudignore"],
        cwd=checkout, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    folder = tmp_path_factory.mktemp("upload") / "workspace"
    for name in filter(None, names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(checkout / name, folder / name)
    return folder


def test_app_engine_gets_what_runs_and_no_more(upload: Path) -> None:
    assert sorted(path.name for path in upload.iterdir()) == [
        "app", "requirements", "requirements.txt", "secret_key", "servers", "static",
    ]  # fmt: skip


def handler_of(path: str) -> tuple[str, str]:
    """Return the kind of the first handler in app.yaml that takes `path`, and the file that it gives."""
    for handler in APP_YAML.handlers:
        kind = handler.GetHandlerType()
        if kind == appinfo.STATIC_DIR and path.startswith(f"{handler.url}/"):
            return kind, handler.static_dir + path.removeprefix(handler.url)
        found = re.fullmatch(handler.url, path)
        if found:
            file = found.expand(handler.static_files) if kind == appinfo.STATIC_FILES else ""
            assert not file or re.fullmatch(handler.upload, file)
            return kind, file
    raise AssertionError(path)


def test_app_engine_instance_serves_the_guide(upload: Path) -> None:
    environment = dict(APP_YAML.env_variables)
    with instance(environment, {upload: "/workspace"}, "/workspace", APP_YAML.entrypoint) as (_, site):
        until(lambda: answers(site), "the instance answers")
        files = assert_serves_the_guide(site)
        assert_believes_one_hop(site)
    assert handler_of("/") == (appinfo.HANDLER_SCRIPT, "")
    for path in [*files, "/static/site.css"]:
        kind, file = handler_of(path)
        assert kind == (appinfo.STATIC_DIR if path == "/static/site.css" else appinfo.STATIC_FILES)
        assert (upload / file).is_file(), path


def test_app_engine_sends_visitors_to_https() -> None:
    (pages,) = [each for each in APP_YAML.handlers if each.GetHandlerType() == appinfo.HANDLER_SCRIPT]
    assert (pages.url, pages.secure) == ("/.*", appinfo.SECURE_HTTPS)


def test_google_s_reader_refuses_what_app_yaml_must_not_say() -> None:
    """So that reading it above says something."""
    with pytest.raises(Exception, match="Unexpected attribute 'entry'"):
        appinfo.LoadSingleAppInfo("runtime: python313\nentry: gunicorn\n")
