"""Issue 6, 1: further profiles' READMEs, from a fresh Debian 13: see test_debian.py, whose tests these are.

What is of the front end or of the application server alone is asked there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.host.test_debian import (
    SIBLINGS,
    Server,
    as_readme_says,
    test_after_a_reboot_all_is_back_by_itself,
    test_contract_holds_but_where_differences_are_published,
    test_files_are_those_of_the_folder,
    test_front_end_is_reloaded_after_a_restart_too,
    test_reload_replaces_all_processes_and_fails_nobody,
    test_site_is_there_after_at_most_twelve_commands,
)

__all__ = [
    "test_after_a_reboot_all_is_back_by_itself",
    "test_contract_holds_but_where_differences_are_published",
    "test_files_are_those_of_the_folder",
    "test_front_end_is_reloaded_after_a_restart_too",
    "test_reload_replaces_all_processes_and_fails_nobody",
    "test_site_is_there_after_at_most_twelve_commands",
]
pytestmark = pytest.mark.xdist_group("debian")


@pytest.fixture(scope="module", params=SIBLINGS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a fresh server with a checkout, and run README's commands."""
    with as_readme_says(request.param, tmp_path_factory.mktemp("checkout")) as one:
        yield one
