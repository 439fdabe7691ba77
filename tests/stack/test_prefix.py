"""Rows T6 and S1 where the application is below a prefix, as each front end's README says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.echo import echo
from tests.profiles import ROOT
from tests.stacks import Stack, copy_of_repository
from tests.wire import Place, request

pytestmark = [pytest.mark.shared, pytest.mark.xdist_group("others")]

PREFIX = "/guide"


class Mounted(Stack):
    """A stack whose site begins at the prefix; its images are its own, for they hold error pages."""

    @property
    def base_url(self) -> str:
        return f"{super().base_url}{PREFIX[1:]}/"

    @property
    def place(self) -> Place:
        return Place(super().base_url)

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {"APP_PREFIX": PREFIX, "TAG": f"prefix-{self.profile.name}"}
        return super().run(*command, check=check, **own, **environment)


def edit(folder: Path, front: str) -> None:
    """Edit the marked block as the folder's README says: lines in place of those that begin so, or more."""
    readme = (folder / front / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Below a prefix\n")[2].partition("\n## ")[0]
    (said,) = re.findall(r"```\w+\n(.+?)\n```", section, re.S)
    (site,) = (folder / front).glob("*-available/*app.conf")
    block, end, rest = site.read_text(encoding="utf-8").partition("# ==== End of the block")
    assert end
    lines = block.splitlines()
    for line in said.splitlines():
        same = [number for number, text in enumerate(lines) if text.split()[:2] == line.split()[:2]]
        if same and PREFIX in line.split()[-1]:
            lines[same[0]] = line
        else:
            lines.append(line)
    site.write_text("\n".join([*lines, end + rest]), encoding="utf-8")


@pytest.fixture(scope="module")
def mounted(profile: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    stack = Mounted(profile, copy_of_repository(tmp_path_factory.mktemp(f"prefix-{profile}")))
    if (stack.folder / stack.profile.front).is_dir():
        edit(stack.folder, stack.profile.front)
    try:
        assert stack.base_url in stack.up()
        yield stack
    finally:
        stack.remove()
        stack.remove_images(f"prefix-{profile}")


@pytest.mark.parametrize("path", ["/a/b", "/a%2Fb", "//a", "/a/../b", "/guide/static/x", ""])
def test_T6_prefix_is_the_script_name_and_the_rest_the_path(mounted: Mounted, path: str) -> None:
    root = echo(mounted.place, start=f"GET {PREFIX}/test/echo/x HTTP/1.1")
    assert (root["script_name"], root["path_info"]) == (PREFIX, "/test/echo/x")
    target = f"{PREFIX}/test/echo{path}"
    answer = mounted.place.ask(request(f"GET {target} HTTP/1.1", f"Host: {mounted.place.host}"))
    if answer.status == 200:
        seen = answer.json()
        assert (seen["script_name"], PREFIX + seen["path_info"]) == (PREFIX, unquote(target))
        # Granian alone does not tell the application what was sent: see its file.
        assert seen["request_uri"] == (None if mounted.profile.name == "granian" else target)
    else:  # two slashes: the application's redirect to one
        assert answer.status == 308
        assert answer["Location"].endswith(f"{PREFIX}/test/echo/a")


@pytest.mark.shared
def test_T6_the_whole_guide_works_below_the_prefix(mounted: Mounted) -> None:
    """All tests of the contract that ask any base URL, asked of this one."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract"]
    command += ["--profiles", mounted.profile.name, "--base-url", mounted.base_url]
    done = subprocess.run(command, cwd=ROOT, check=False, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-8000:]


@pytest.mark.production
def test_S1_static_below_a_prefix_is_served_while_the_app_is_stopped(mounted: Mounted) -> None:
    with mounted.app_stopped():
        page = mounted.site.get("static/site.css")
    assert page.status_code == 200


def test_T6_outside_the_prefix_nothing_is_the_sites(mounted: Mounted) -> None:
    for path in ("/", "/application/hello", "/guidex/", "/static/site.css", "/static/no-such-file"):
        answer = mounted.place.ask(request(f"GET {path} HTTP/1.1", f"Host: {mounted.place.host}"))
        assert answer.status == 404, path


def test_T6_probes_stay_at_the_root_alone(mounted: Mounted) -> None:
    for path in ("/healthz", "/readyz"):
        answer = mounted.place.ask(request(f"GET {path} HTTP/1.1", f"Host: {mounted.place.host}"))
        assert answer.status == 200, path
    for path in ("healthz", "readyz", "metrics"):
        assert mounted.site.get(path).status_code == 404, path
