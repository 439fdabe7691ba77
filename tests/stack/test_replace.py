"""One stack, one profile after another: the port and the data stay, what is not needed goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.profiles import PROFILES, sibling
from tests.stacks import Stack

pytestmark = pytest.mark.xdist_group("replace")


@pytest.fixture
def stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    stack = Stack(pytestconfig.getoption("--profiles").split(",")[0])
    yield stack
    stack.remove()


def add_records(stack: Stack, mark: str) -> None:
    site = stack.site
    student = {"name": mark, "city": "Pune", "addr": "a street", "pin": "1"}
    assert site.submit("/sqlalchemy/new", "/sqlalchemy/new", student).status_code == 302
    record = {"nm": mark, "city": "Pune", "add": "a street", "pin": "1"}
    assert site.submit("/sqlite/enternew", "/sqlite/addrec", record).status_code == 200
    files = {"file": (f"{mark}.txt", mark.encode())}
    assert site.submit("/uploads/upload", "/uploads/uploader", files=files).status_code == 200


def assert_records(stack: Stack, mark: str) -> None:
    site = stack.site
    assert mark in site.get("/sqlalchemy/").text
    assert mark in site.get("/sqlite/list").text
    assert site.get(f"/uploads/files/{mark}.txt").text == mark


def services(stack: Stack) -> set[str]:
    return {c.labels["com.docker.compose.service"] for c in stack.containers()}


def test_each_profile_replaces_the_one_before_and_keeps_its_data(
    stack: Stack, pytestconfig: pytest.Config
) -> None:
    marks: list[str] = []
    chosen = pytestconfig.getoption("--profiles").split(",")
    # One of each kind of front end: what is left of another is the same.
    for name in {sibling(PROFILES[name].front): name for name in reversed(chosen)}.values():
        said = stack.up(name)
        assert stack.base_url in said
        assert " is up after " in said
        assert services(stack) == {"migrate", "mail", PROFILES[name].front, PROFILES[name].app_service}
        for mark in marks:
            assert_records(stack, mark)
        marks.append(f"behind-{name}")
        add_records(stack, marks[-1])

    stack.make("down")
    assert stack.containers() == []
    assert stack.docker.networks.list(names=[f"{stack.name}_default"]) == []
    assert [v.name for v in stack.docker.volumes.list(filters={"name": stack.name})] == [f"{stack.name}_data"]

    refused = stack.make("clean", check=False)
    assert refused.returncode != 0
    assert "CONFIRM=yes" in refused.stdout
    stack.up()
    for mark in marks:
        assert_records(stack, mark)

    stack.make("clean", CONFIRM="yes")
    assert stack.docker.volumes.list(filters={"name": stack.name}) == []
