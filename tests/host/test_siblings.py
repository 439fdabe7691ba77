"""Issue 6, 1: further profiles' READMEs, from a fresh Debian 13.

The tests are those of test_debian.py and test_operation.py; what is of the front end or of the application
server alone is asked there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pytest
import requests

from tests.faults import visitors
from tests.host import test_debian, test_operation
from tests.host.debian import HELLO, OWN, PATIENCE, SIBLINGS, Server, as_readme_says, blocks
from tests.host.test_debian import (
    test_after_a_reboot_all_is_back_by_itself,
    test_contract_holds_but_where_differences_are_published,
    test_files_are_those_of_the_folder,
    test_front_end_is_reloaded_after_a_restart_too,
    test_reload_replaces_all_processes_and_fails_nobody,
    test_site_is_there_after_at_most_twelve_commands,
)
from tests.profiles import sibling
from tests.stacks import until

__all__ = [
    "test_after_a_reboot_all_is_back_by_itself",
    "test_contract_holds_but_where_differences_are_published",
    "test_files_are_those_of_the_folder",
    "test_front_end_is_reloaded_after_a_restart_too",
    "test_reload_replaces_all_processes_and_fails_nobody",
    "test_site_is_there_after_at_most_twelve_commands",
]
pytestmark = pytest.mark.xdist_group("siblings")


def asked(names: Iterable[str]) -> list[Any]:
    """Return them as parameters; those whose units others show are left to `make test-host`."""
    return [name if name in OWN else pytest.param(name, marks=pytest.mark.at_length) for name in names]


@pytest.fixture(scope="module", params=asked(SIBLINGS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a fresh server with a checkout, and run README's commands."""
    with as_readme_says(request.param, tmp_path_factory.mktemp("checkout"), prepared=True) as one:
        yield one


OTHERS = [name for name, (front, _) in SIBLINGS.items() if front != "nginx"]


@pytest.mark.parametrize("server", asked(OTHERS), indirect=True, scope="module")
def test_challenge_of_acme_is_the_front_ends_to_answer(server: Server) -> None:
    """By what README of the sibling says, and what differs; test_operation.py has certbot ask for more."""
    front = server.profile.front
    _, prepare, *_ = blocks(f"{sibling(front)}/README.md", "Certificate")
    for line in [prepare, *blocks(f"{front}/README.md", "Certificate")]:
        server.run(line)
    path = ".well-known/acme-challenge/token"
    server.run(f"install -D --mode 0644 /dev/stdin /var/www/acme/{path} <<<challenge")

    def answered() -> bool:
        return requests.get(f"{server.base_url}{path}", timeout=PATIENCE).text == "challenge\n"

    until(answered, "it answers", 60)


@pytest.mark.parametrize("server", ["lighttpd-spawn"], indirect=True, scope="module")
def test_front_end_that_starts_the_application_is_hardened_for_both(server: Server) -> None:
    test_debian.test_unit_is_hardened(server, "its own")
    group = server.run("systemctl show lighttpd -P ControlGroup").strip()
    owners = server.run(f"ps -o user= -p $(paste -sd , /sys/fs/cgroup{group}/cgroup.procs)")
    assert {*owners.split()} == {"www-data"}
    lines = server.run("journalctl -u lighttpd -o cat _COMM=app.fcgi").splitlines()
    assert lines
    assert all("message" in json.loads(line) for line in lines)


@pytest.mark.parametrize("server", OWN, indirect=True, scope="module")
def test_own_unit_says_how_many_processes(server: Server) -> None:
    test_debian.test_application_has_as_many_processes_as_its_unit_says(server)


@pytest.mark.parametrize("server", ["lighttpd-spawn"], indirect=True, scope="module")
@pytest.mark.parametrize("command", ["upgrade.sh lighttpd-spawn", "deploy.sh lighttpd"])
def test_what_needs_a_unit_of_the_applications_is_refused(server: Server, command: str) -> None:
    before = server.run("systemctl show lighttpd -P ActiveEnterTimestamp -P MainPID")
    said = server.run(f"systemd/{command} 2>&1", code=1)
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert server.run("systemctl show lighttpd -P ActiveEnterTimestamp -P MainPID") == before


@pytest.mark.parametrize("server", ["lighttpd-spawn"], indirect=True, scope="module")
def test_new_code_is_taken_where_the_front_end_starts_the_application(server: Server) -> None:
    """By README's line: lighttpd goes on, and so does the process that lighttpd started."""
    _, line = blocks("lighttpd-spawn/README.md", "Check and reload")
    before = server.processes()
    with visitors(server) as load:
        server.run(line)
        until(lambda: len(before & server.processes()) == 1, "all but that one are replaced", 40)
        number = len(load.visits)
        until(lambda: len(load.visits) > number + 50, "visitors go on")
    assert load.failures == []


@pytest.mark.parametrize("server", ["uwsgi"], indirect=True, scope="module")
@pytest.mark.parametrize(
    "held",
    [
        partial(test_debian.test_unit_is_hardened, unit="its own"),
        test_debian.test_socket_is_for_the_front_end_alone,
        test_debian.test_socket_blocks_no_process_after_a_reload,
        test_debian.test_application_is_of_its_own_user_and_has_no_right_of_roots,
        test_debian.test_secret_is_in_no_environment_and_for_nobody_else,
        test_debian.test_restart_of_the_application_keeps_visitors_waiting_alone,
        test_operation.test_reload_of_code_that_cannot_be_loaded_is_refused,
        test_operation.test_new_code_is_deployed_and_taken_back_without_a_lost_request,
        partial(
            test_operation.test_code_that_does_not_start_is_not_put_in_service,
            file=HELLO,
            sentence="this code does not start",
        ),
    ],
    ids=lambda held: getattr(held, "func", held).__name__.removeprefix("test_"),
)
def test_unit_that_no_other_profile_has(server: Server, held: Callable[[Server], None]) -> None:
    """What those ask of Gunicorn's, flup's and httpd's."""
    held(server)
