"""What `make up` says when it cannot, and that it leaves nothing half started."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.profiles import PROFILES
from tests.stacks import Stack, copy_of_repository

pytestmark = [pytest.mark.xdist_group("make"), pytest.mark.shared]


@pytest.fixture
def stack(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Stack]:
    first = pytestconfig.getoption("--profiles").split(",")[0]
    stack = Stack(first, copy_of_repository(tmp_path))
    yield stack
    stack.remove()


def assert_refused(stack: Stack, *sentences: str, **environment: str) -> None:
    said = stack.make("up", check=False, **environment)
    assert said.returncode == 2
    for sentence in sentences:
        assert sentence in said.stdout
    assert "Traceback" not in said.stdout
    assert stack.containers() == []


def test_unknown_profile_is_answered_with_the_list(stack: Stack) -> None:
    assert_refused(stack, f"there is no profile 'iis'. Choose one of: {' '.join(PROFILES)}", PROFILE="iis")


@pytest.mark.parametrize("variable", ["PORT", "TLS_PORT", "MAIL_PORT"])
def test_taken_port_is_named_with_its_holder(stack: Stack, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert_refused(
            stack,
            f"port {port} is taken by process",
            f"make up PROFILE={stack.profile.name} {variable}={port + 1}",
            **{variable: str(port)},
        )


def test_one_port_for_two_things_is_refused(stack: Stack) -> None:
    taken = str(stack.port)
    choose = f" are {taken}. Choose: make up PROFILE={stack.profile.name}"
    assert_refused(stack, "two of PORT MAIL_PORT", choose, MAIL_PORT=taken)


def test_port_of_another_stack_is_named_with_its_container(stack: Stack) -> None:
    stack.up()
    other = Stack(stack.profile.name, stack.folder)
    assert_refused(other, f"port {stack.port} is taken by container {stack.front.name}", PORT=str(stack.port))
    assert stack.site.get("/").ok


def test_mail_is_caught_as_soon_as_it_is_up(stack: Stack) -> None:
    stack.up()
    assert requests.get(f"http://127.0.0.1:{stack.mail_port}/api/healthz", timeout=5).ok


def test_mail_is_not_caught_where_a_server_of_ones_own_is_named(stack: Stack) -> None:
    stack.up()
    said = stack.make("up", MAIL_SERVER="smtp.example.org").stdout
    assert "Removing mail, which" in said
    assert "Mail    smtp.example.org:1025   (yours: what the application sends goes there)" in said
    assert "mail" not in {c.labels["com.docker.compose.service"] for c in stack.containers()}
    assert stack.site.get("/readyz").ok


def test_what_runs_goes_on_where_the_schema_cannot_be_brought_up_to_date(stack: Stack) -> None:
    stack.up()
    stack.settle()
    (stack.folder / "secrets/secret_key").write_text("short", encoding="ascii")
    said = stack.make("up", check=False)
    assert said.returncode == 2
    assert "The secret key /run/secrets/secret_key has 5 bytes" in said.stdout
    assert "the step of its schema failed, see the lines above. Nothing that runs was changed." in said.stdout
    assert stack.site.get("/readyz").ok


def test_weak_secret_stops_the_start(stack: Stack) -> None:
    (stack.folder / "secrets").mkdir()
    (stack.folder / "secrets/secret_key").write_text("short", encoding="ascii")
    (stack.folder / "secrets/secret_key").chmod(0o644)
    assert_refused(stack, "The secret key /run/secrets/secret_key has 5 bytes, fewer than 32")


def test_files_that_the_containers_cannot_read_are_named(stack: Stack) -> None:
    """As a clone under a umask of 077 has them."""
    (stack.folder / "app/wsgi.py").chmod(0o600)
    assert_refused(stack, "the containers' users cannot read app/wsgi.py. Run 'chmod -R go+rX app servers")


def test_prefix_that_the_site_file_does_not_name_is_refused(stack: Stack) -> None:
    """Its pages would come without their style."""
    file = next((stack.folder / stack.profile.front).glob("*-available/*app.conf")).relative_to(stack.folder)
    assert_refused(stack, f"APP_PREFIX is /guide, but {file} does not name it.", APP_PREFIX="/guide")


@pytest.mark.parametrize("prefix", ["guide", "/guide/"])
def test_prefix_that_is_no_path_is_refused(stack: Stack, prefix: str) -> None:
    site = next((stack.folder / stack.profile.front).glob("*-available/*app.conf"))
    site.write_text(f"{prefix}\n{site.read_text(encoding='utf-8')}", encoding="utf-8")
    said = f"APP_PREFIX must be a path such as /guide, without a slash at its end, not '{prefix}'."
    assert_refused(stack, said, APP_PREFIX=prefix, TAG="prefix-make")
    stack.remove_images("prefix-make")


@pytest.mark.parametrize("number", ["0", "-1", "two", "2.5", "100"])
def test_number_of_processes_that_is_none_is_refused(stack: Stack, number: str) -> None:
    said = f"WEB_CONCURRENCY is '{number}': it has to be a number of processes from 1 to 99."
    assert_refused(stack, said, WEB_CONCURRENCY=number)


def test_build_that_cannot_reach_its_mirror_names_it(stack: Stack) -> None:
    assert_refused(
        stack,
        "the build cannot reach its mirror",
        "127.0.0.1",
        "PIP_INDEX_URL",
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
    )
