"""Issue 6, 4: the same files on Debian 12, by the same commands; README names what its versions lack."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import differences
from tests.host.debian import OLD, SERVERS, Server, block, checkout, deploy, fresh
from tests.profiles import PROFILES, ROOT
from tests.verify.command import run as verify
from verify.check import CHECKS

pytestmark = [pytest.mark.at_length, pytest.mark.xdist_group("upgrade")]


def changes(profile: str) -> list[tuple[str, str, str]]:
    """Return the rows of a README's section Debian 12: the check, what it says, what to do."""
    text = (ROOT / profile / "README.md").read_text(encoding="utf-8").partition("\n## Debian 12\n")[2]
    return re.findall(r"^\| `(.*?)` \| `(.*?)` \| `(.*?)`", text.partition("\n## ")[0], re.M)


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a fresh Debian 12 with a checkout, and run README's commands and changes."""
    environment = {**os.environ, "BASE_SUITE": OLD}
    subprocess.run(["docker/base-image.sh"], cwd=ROOT, env=environment, check=True, capture_output=True)
    profile = PROFILES[request.param]
    *lines, last = block(f"{profile.name}/README.md", "Copy")
    with fresh(profile, checkout(tmp_path_factory.mktemp("checkout") / "flask"), OLD, lines) as one:
        for line in lines:
            one.run(line)
        for check, says, change in changes(profile.name):
            assert says in one.run(f"{check} 2>&1", code=1)
            one.run(change)
        one.run(last)
        one.until_it_answers()
        yield one


def test_contract_holds_there(server: Server, tmp_path: Path) -> None:
    _, states = verify(server.tls_url, tmp_path, "--ca", str(server.authority))
    published = {one.row for one in differences.declared() if one.concerns(server.profile.name)}
    assert [one.title for one in CHECKS if one.name in states["fails"] and one.row not in published] == []
    assert states["holds"]


def test_new_code_is_put_in_service_there(server: Server) -> None:
    server.run(f"systemctl reload {server.app}")
    server.run(f"systemctl reload {server.front}")
    server.until_it_answers()


def test_deploy_says_what_it_lacks_there(server: Server) -> None:
    said = deploy(server, code=1)
    assert said.startswith("error: ")
    assert "coreutils 9.5" in said
