"""APP that cannot be served is refused in a sentence, and what runs goes on.

On one profile: nothing of it is a server's business.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.profiles import PRODUCTION
from tests.stacks import Stack

pytestmark = pytest.mark.xdist_group("project-refused")

HELLO = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<h1>It is served</h1>"]
"""
UNCHANGED = "Nothing was changed; what ran goes on."


class Own(Stack):
    """A stack with an application in `project`; ours is told by APP=""."""

    project: Path

    def up_with(self, app: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Try to serve another application."""
        return self.make("up", check=False, APP=app, **environment)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Own]:
    chosen = pytestconfig.getoption("--profiles").split(",")
    stack = Own(next((name for name in chosen if name in PRODUCTION), PRODUCTION[0]))
    stack.compose_files = ["compose.yaml"]
    stack.project = tmp_path_factory.mktemp("own") / "project"
    stack.project.mkdir()
    (stack.project / "app.py").write_text(HELLO, encoding="utf-8")
    try:
        assert stack.up_with(f"{stack.project}/app.py").returncode == 0
        yield stack
    finally:
        stack.remove()


@pytest.fixture
def app(stack: Own, tmp_path: Path) -> Iterator[Path]:
    """Return the file of another application; whatever is tried with it, the stack is as before."""
    (tmp_path / "other").mkdir()
    before = {(container.id, container.attrs["State"]["StartedAt"]) for container in stack.containers()}
    yield tmp_path / "other/app.py"
    assert {(c.id, c.attrs["State"]["StartedAt"]) for c in stack.containers()} == before
    assert "It is served" in stack.site.get("/").text


def assert_refused(said: subprocess.CompletedProcess[str], *sentences: str) -> None:
    assert said.returncode == 2
    (error,) = [line for line in said.stdout.splitlines() if line.startswith("error: ")]
    for sentence in sentences:
        assert sentence in error
    assert "Traceback" not in said.stdout


@pytest.mark.parametrize("named", ["app:app", "app.py:", "app.py:make(1)", "app.py app", "."])
def test_what_is_not_file_and_name(stack: Own, app: Path, named: str) -> None:
    named = f"{app.parent}/{named}"
    assert_refused(stack.up_with(named), f"APP is '{named}', which is not FILE.py:NAME. Say APP=")


def test_no_such_file(stack: Own, app: Path) -> None:
    assert_refused(stack.up_with(f"{app}:app"), f"APP names {app}, and there is no such file. Say where")


def test_no_such_file_of_variables(stack: Own, app: Path) -> None:
    app.write_text(HELLO, encoding="utf-8")
    said = stack.up_with(str(app), APP_ENV=f"{app.parent}/variables")
    assert_refused(said, f"APP_ENV names {app.parent}/variables, and there is no such file. Say which")


def test_development_server(stack: Own, app: Path) -> None:
    said = stack.up_with(str(app), PROFILE="dev")
    assert_refused(said, "the development server runs our own application alone. Choose a production profile")


@pytest.mark.parametrize("closed", ["/app.py", ""])
def test_file_that_the_containers_cannot_read(stack: Own, app: Path, closed: str) -> None:
    app.write_text(HELLO, encoding="utf-8")
    Path(f"{app.parent}{closed}").chmod(0o700)
    said = stack.up_with(str(app))
    assert_refused(said, f"the containers' users cannot read {app.parent}{closed}. Run 'chmod -R go+rX ")


def test_what_does_not_import(stack: Own, app: Path) -> None:
    app.write_text("import nowhere\n", encoding="utf-8")
    sentence = "app.py does not import: ModuleNotFoundError: No module named 'nowhere' (app.py, line 1)"
    assert_refused(stack.up_with(str(app)), f"error: {sentence}. {UNCHANGED}")


def test_what_is_not_callable(stack: Own, app: Path) -> None:
    app.write_text("app = {}\n", encoding="utf-8")
    said = stack.up_with(f"{app}:app")
    assert_refused(said, "error: app.py:app is a dict, no WSGI application: it cannot be called", UNCHANGED)


def test_what_does_not_end(stack: Own, app: Path) -> None:
    """As a file that starts a server when it is imported."""
    app.write_text("import threading\nthreading.Event().wait()\n", encoding="utf-8")
    said = stack.up_with(str(app), IMPORT_SECONDS="2")
    assert_refused(said, f"{app} does not finish importing in 2 s: does it start a server", UNCHANGED)


def test_what_ends_the_process(stack: Own, app: Path) -> None:
    app.write_text("import os\nos._exit(3)\n", encoding="utf-8")
    assert_refused(stack.up_with(str(app)), f"{app} cannot be imported: see the lines above. {UNCHANGED}")


def test_package_that_is_not_to_be_had(stack: Own, app: Path) -> None:
    app.write_text(HELLO, encoding="utf-8")
    (app.parent / "requirements.txt").write_text("flask==0.0.1\n", encoding="utf-8")
    said = stack.up_with(str(app))
    reason = "cannot be installed: No matching distribution found for flask==0.0.1."
    assert_refused(said, f"the packages of its requirements.txt {reason}", UNCHANGED)


def test_nothing_is_left_where_nothing_ran(stack: Own, app: Path) -> None:
    app.write_text("import nowhere\n", encoding="utf-8")
    other = Own(stack.profile.name)
    other.compose_files = stack.compose_files
    assert_refused(other.up_with(str(app)), "does not import")
    assert other.docker.containers.list(all=True, filters={"name": other.name}) == []
    assert other.docker.networks.list(filters={"name": other.name}) == []
    other.remove()
    assert other.docker.volumes.list(filters={"name": other.name}) == []
    assert other.docker.images.list(filters={"reference": f"flask-reference/{other.name}/*"}) == []


def test_variables_of_a_file_reach_it(stack: Own, tmp_path: Path) -> None:
    (tmp_path / "variables").write_text("GREETING=It is served by name\n", encoding="utf-8")
    text = HELLO.replace("It is served", "%s").replace('>"]', ">\" % os.environ['GREETING'].encode()]")
    (stack.project / "app.py").write_text(f"import os\n{text}", encoding="utf-8")
    said = stack.up_with(f"{stack.project}/app.py", APP_ENV=str(tmp_path / "variables"))
    assert said.returncode == 0, said.stdout
    assert "It is served by name" in stack.site.get("/").text


def test_without_app_our_own_comes_back_and_the_data_stay(stack: Own) -> None:
    stack.execute(stack.app, "sh", "-c", "echo until later >/var/lib/app/kept")
    said = stack.make("up", APP="").stdout
    assert "Serves  the guide's" in said
    assert stack.site.get("/application/hello").text == "Hello World"
    assert stack.attempt(stack.app, "cat", "/var/lib/app/kept")[0] != 0
    kept = stack.docker.containers.run(
        stack.image(stack.app), ["kept"], entrypoint=["cat", "--"], working_dir="/var/lib/app",
        volumes=[f"{stack.name}_project:/var/lib/app"], remove=True, network_disabled=True,
    )  # fmt: skip
    assert kept == b"until later\n"
