"""A smoke test that cannot fail proves nothing: break a profile on purpose, and see it fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from docker.errors import APIError

from tests.stacks import Stack, copy_of_repository, until

pytestmark = [pytest.mark.shared, pytest.mark.xdist_group("others")]


@pytest.fixture(scope="module")
def stack(profile: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start a stack that each test breaks, and mends."""
    stack = Stack(profile, copy_of_repository(tmp_path_factory.mktemp(f"sabotage-{profile}")))
    try:
        stack.up()
        yield stack
    finally:
        stack.remove()


def failed_tests(stack: Stack) -> list[str]:
    """Run `make smoke`; return the tests that failed, none where it passed."""
    done = stack.make("smoke", check=False)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M)
    assert bool(failed) == (done.returncode != 0), done.stdout
    return failed


@contextmanager
def replaced(stack: Stack, folder: str, pattern: str, new: str) -> Iterator[None]:
    """Have `new` in place of what the pattern finds in the files of a folder."""
    kinds = {".conf", ".py", ".sh", ".wsgi"}
    files = [file for file in (stack.folder / folder).rglob("*") if file.suffix in kinds]
    sound = {file: file.read_text(encoding="utf-8") for file in files}
    broken = {file: re.sub(pattern, new, text) for file, text in sound.items()}
    assert broken != sound, f"{pattern} is nowhere in {folder}"
    try:
        for file, text in broken.items():
            file.write_text(text, encoding="utf-8")
        restart(stack, sound=False)
        yield
    finally:
        for file, text in sound.items():
            file.write_text(text, encoding="utf-8")
        restart(stack, sound=True)


def restart(stack: Stack, *, sound: bool) -> None:
    """Restart past `make reload`, which would refuse; wait until something answers, or cannot start."""
    for container in {stack.front, stack.app}:
        container.restart(timeout=5)

    def is_known() -> bool:
        command = ["curl", "-si", "--max-time", "2", "http://127.0.0.1/"]
        try:
            return "HTTP/" in stack.attempt(stack.front, *command)[1]
        except APIError:  # it does not run: Docker starts it again and again
            assert not sound
            return True

    until(is_known, "the front end answers, be it an error")


def test_smoke_passes_on_a_sound_profile_and_fails_where_a_view_does(stack: Stack) -> None:
    assert failed_tests(stack) == []
    assert (stack.folder / f"results/smoke-{stack.profile.name}.xml").is_file()
    with replaced(stack, "app/guide", 'return "Hello World"', "raise RuntimeError"):
        assert any("application" in test for test in failed_tests(stack)), "an app that answers 500"


@pytest.mark.production
def test_smoke_fails_where_the_app_is_not_where_the_front_end_looks(stack: Stack) -> None:
    with replaced(stack, stack.profile.front, r"/run/app/|app\.(wsgi|fcgi)", "/nowhere/"):
        assert failed_tests(stack)


@pytest.mark.production
def test_smoke_fails_where_static_files_are_missing(stack: Stack) -> None:
    override = stack.folder / "compose.override.yaml"
    override.write_text(
        f"services:\n  {stack.profile.front}:\n    volumes: [{{type: tmpfs, target: /srv/static}}]\n",
        encoding="utf-8",
    )
    stack.compose_files.append(override.name)
    try:
        stack.up()
        assert any("static" in test for test in failed_tests(stack))
    finally:
        stack.compose_files.remove(override.name)
