"""APP=FILE.py:NAME: applications that were not written for this repository, behind each front end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import differences
from tests.profiles import ROOT
from tests.stack.test_logs import app_log, fresh_id, logged
from tests.stacks import Stack, until
from tests.verify.command import run
from tests.wire import Place, request
from verify.check import CHECKS

pytestmark = [pytest.mark.production, pytest.mark.shared, pytest.mark.xdist_group("project")]

LIMIT = 10 * 1024 * 1024
# What APP says, and a word of the first page with the file where it stands.
PROJECTS = {
    "flask": ("shop/__init__.py:create_app()", "Flask's page", "shop/__init__.py"),
    "django": ("mysite/wsgi.py:application", "Django's page", "mysite/urls.py"),
    # Its modules have the names of ours: app, and app.wsgi, which every server loads.
    "bare": ("app/wsgi.py", "The bare page", "app/words.py"),
}


class Served(Stack):
    """A stack that serves the application of a project, which lies in a folder outside the checkout."""

    def __init__(self, profile: str, project: Path) -> None:
        super().__init__(profile)
        self.project = project
        self.named, self.word, file = PROJECTS[project.name]
        self.file = project / file
        self.compose_files = ["compose.yaml"]  # as everybody has it: without what is for our tests

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        return super().run(*command, check=check, **{"APP": f"{self.project}/{self.named}"} | environment)

    def pages(self) -> set[str]:
        """Return what the first page says, whichever process answers: its headline."""
        found = (re.search("<h1>(.*)</h1>", self.site.get("/").text) for _ in range(20))
        return {page[1].replace("&#39;", "'") if page else "" for page in found}


def started_projects(to: Path) -> Iterator[Path]:
    """Make the projects as their owners would."""
    for name in ("flask", "bare"):
        yield Path(shutil.copytree(ROOT / "tests/projects" / name, to / name))
    project = to / "django"
    project.mkdir()
    start = [str(Path(sys.executable).parent / "django-admin"), "startproject", "mysite", "."]
    subprocess.run(start, cwd=project, check=True)
    (project / "requirements.txt").write_text(f"django=={version('django')}\n", encoding="utf-8")
    shutil.copy(ROOT / "tests/projects/django/urls.py", project / "mysite")
    settings = project / "mysite/settings.py"
    text = settings.read_text(encoding="utf-8").replace("DEBUG = True", "DEBUG = False")
    text = text.replace("ALLOWED_HOSTS = []", 'ALLOWED_HOSTS = ["localhost", "127.0.0.1"]')
    settings.write_text(text, encoding="utf-8")
    yield project


@pytest.fixture(scope="module")
def stacks(profile: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """Start a stack for each project, all at once."""
    folder = tmp_path_factory.mktemp(f"projects-{profile}")
    stacks = {project.name: Served(profile, project) for project in started_projects(folder)}
    with ThreadPoolExecutor(len(stacks)) as pool:
        try:
            ups = {name: pool.submit(stack.up) for name, stack in stacks.items()}
            for name, up in ups.items():
                assert f"Serves  {stacks[name].project}/{stacks[name].named}," in up.result()
            yield stacks
        finally:
            list(pool.map(Stack.remove, stacks.values()))


@pytest.fixture(params=PROJECTS)
def served(stacks: dict[str, Served], request: pytest.FixtureRequest) -> Served:
    return stacks[request.param]


@pytest.fixture
def shop(stacks: dict[str, Served]) -> Served:
    return stacks["flask"]


@pytest.fixture(scope="module")
def findings(
    stacks: dict[str, Served], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[dict[str, list[str]]]]]:
    """Have `make verify` look at all of them, while other tests run: it times slow clients."""

    def verified(stack: Served) -> dict[str, list[str]]:
        return run(stack.tls_url, tmp_path_factory.mktemp("results"), "--ca", str(stack.authority))[1]

    with ThreadPoolExecutor(len(stacks)) as pool:
        yield {name: pool.submit(verified, stack) for name, stack in stacks.items()}


def test_its_page_comes_through_the_front_end(served: Served) -> None:
    assert served.pages() == {served.word}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_it_sees_the_host_the_scheme_and_the_clients_own_address(served: Served, scheme: str) -> None:
    visitor = served.container("mail")
    (network,) = visitor.attrs["NetworkSettings"]["Networks"].values()
    lies = ["-H", "X-Forwarded-For: 192.0.2.1", "-H", "X-Forwarded-Proto: gopher"]
    ask = ["curl", "-fsSk", "-H", "Host: localhost", *lies, f"{scheme}://{served.profile.front}/seen"]
    seen = json.loads(served.execute(visitor, *ask))
    assert seen == {"host": "localhost", "scheme": scheme, "client": network["IPAddress"]}


def test_it_sees_the_port_that_the_client_used(served: Served) -> None:
    assert served.tls_site.get("/seen").json()["host"] == f"localhost:{served.tls_port}"


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_body_reaches_it_whole(served: Served, framing: str) -> None:
    """Also where the client names no length: most applications read none then."""
    body = b"x" * 300_000
    data = body if framing == "length" else iter([body[:100_000], body[100_000:]])
    assert served.site.post("/upload", data=data).json() == {"length": len(body)}


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_body_over_the_limit_is_413(served: Served, framing: str) -> None:
    place = Place(served.base_url)
    said = "Transfer-Encoding: chunked" if framing == "chunks" else f"Content-Length: {LIMIT + 1}"
    with place.connect() as wire:
        wire.send(request("POST /upload HTTP/1.1", f"Host: {place.host}", said))
        if framing == "chunks":
            # It may stop reading where the limit is.
            all(wire.send(b"100000\r\n" + bytes(2**20) + b"\r\n") for _ in range(LIMIT // 2**20 + 1))
            wire.send(b"0\r\n\r\n")
        answer = wire.answer("POST")
    assert answer
    assert answer.status == 413


def test_request_has_its_line_in_the_access_log_with_its_id(served: Served) -> None:
    own = fresh_id()
    assert served.tls_site.get("/seen?a=b", headers={"X-Request-ID": own}).headers["X-Request-ID"] == own
    entry = logged(served, own)
    assert (entry["path"], entry["query"], entry["status"]) == ("/seen", "a=b", 200)


def test_its_failure_is_a_500_and_one_line_of_json_with_the_requests_id(served: Served) -> None:
    own, since = fresh_id(), datetime.now(UTC)
    assert served.site.get("/fail", headers={"X-Request-ID": own}).status_code == 500

    def found() -> list[dict[str, Any]]:
        return [entry for entry in app_log(served, since) if entry.get("request_id") == own]

    until(found, "the failure is logged")
    (entry,) = found()
    assert entry["level"] == "ERROR"
    assert entry["exception"].endswith("RuntimeError: a reason")


def test_health_checks_are_answered_for_it(served: Served) -> None:
    for path in ("/healthz", "/readyz"):
        assert served.site.get(path).json() == {"status": "ok"}
    until(lambda: served.front.attrs["State"]["Health"]["Status"] == "healthy", "the container is healthy")


def test_it_has_nothing_of_ours(served: Served) -> None:
    """No secret, no data, no schema's step; and our containers' narrow rights."""
    services = {container.labels["com.docker.compose.service"] for container in served.containers()}
    assert services == {"mail", served.profile.front, served.profile.app_service}
    app = served.app
    mounts = {mount["Destination"]: mount for mount in app.attrs["Mounts"]}
    assert mounts["/var/lib/app"]["Name"] == f"{served.name}_project"
    assert mounts["/srv/project"]["Source"] == str(served.project)
    assert not mounts["/srv/project"]["RW"]
    assert not [place for place in mounts if place.startswith("/run/secrets")]
    names = {variable.partition("=")[0] for variable in app.attrs["Config"]["Env"]}
    assert not {"APP_SECRET_KEY_FILE", "PROMETHEUS_MULTIPROC_DIR"} & names
    assert served.attempt(app, "cat", "/srv/app/app/config.py")[0] != 0
    assert {served.image(c).attrs["Config"]["User"] for c in (app, served.front)} == {"app"}


def test_static_files_are_its_own_and_come_compressed_from_the_front_end(shop: Served) -> None:
    answer = shop.site.get("/static/style.css", headers={"Accept-Encoding": "br"})
    assert answer.headers["Content-Encoding"] == "br"
    assert answer.text == (shop.project / "shop/static/style.css").read_text(encoding="utf-8")
    assert answer.headers["Cache-Control"] == "no-cache"


def test_error_pages_of_the_front_end_have_their_style_and_nothing_of_our_site(served: Served) -> None:
    for ours in ("site.css", "icon.svg", "vendor/jquery.min.js"):
        assert served.site.get(f"/static/{ours}").status_code == 404
    page = served.site.get("/static/nothing")
    assert page.headers["X-Request-ID"] in page.text
    assert not re.search("Flask|hapter", page.text)
    styles = re.findall('<link rel="stylesheet" href="([^"]+)"', page.text)
    assert len(styles) == 2
    for style in styles:
        assert served.site.get(style).headers["Content-Type"].startswith("text/css")


def test_its_pages_may_have_scripts_and_forms_but_no_strangers_frame(served: Served) -> None:
    policy = served.site.get("/").headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert not re.search("default-src|script-src|form-action", policy)


def test_its_packages_are_not_the_servers(shop: Served) -> None:
    told = shop.site.get("/versions").json()
    assert told.pop("from").startswith("/srv/project-venv/")
    assert told == {"flask": "3.0.3", "werkzeug": "3.0.6"}
    ours = [
        "/srv/app/venv/bin/python",
        "-c",
        "from importlib.metadata import version; print(version('flask'))",
    ]
    assert shop.execute(shop.app, *ours).strip() != "3.0.3"


def test_streamed_answer_arrives_piece_by_piece(shop: Served) -> None:
    with httpx.stream("GET", f"{shop.base_url}stream") as answer:
        times = [time.monotonic() for _ in answer.iter_raw()]
    assert times[-1] - times[0] > 1


def test_status_shows_its_containers(shop: Served) -> None:
    said = shop.make("status").stdout
    assert all(f"{shop.name}-{service}-1" in said for service in ("mail", shop.profile.front))


@pytest.mark.front_end
def test_verify_finds_no_gap(served: Served, findings: dict[str, Future[dict[str, list[str]]]]) -> None:
    name, profile = served.project.name, served.profile.name
    states = findings[name].result()
    published = {one.row for one in differences.declared() if one.concerns(profile)}
    assert [one.title for one in CHECKS if one.name in states["fails"] and one.row not in published] == []
    # Where the page links to nothing and sets no cookie less can be seen; its own 404 is not judged.
    unseen = {
        "redirect_to_https",
        "forwarded",
        "security_headers",
        "cookies",
        "error_pages",
        "page_compressed",
    }
    unseen |= {
        "validators",
        "ranges",
        "types",
        "cache_control",
        "files_compressed",
        "listings",
        "small_answers",
    }
    if name == "flask":
        unseen -= {"page_compressed", "validators", "ranges", "types", "cache_control", "files_compressed"}
    assert set(states["not checked"]) <= unseen


def test_reload_refuses_broken_code_and_takes_new_code_into_service(served: Served) -> None:
    sound = served.file.read_text(encoding="utf-8")
    served.file.write_text(f"import nowhere\n{sound}", encoding="utf-8")
    refused = served.make("reload", check=False)
    assert refused.returncode != 0
    assert "does not import: ModuleNotFoundError: No module named 'nowhere'" in refused.stdout
    assert "Nothing was changed; what ran goes on." in refused.stdout
    assert served.pages() == {served.word}
    served.file.write_text(sound.replace(served.word, "A new page"), encoding="utf-8")
    served.make("reload")
    until(lambda: served.pages() == {"A new page"}, "all processes run the new code")
