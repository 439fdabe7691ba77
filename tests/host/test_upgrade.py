"""Issue 6, 6: a server that has the previous version is brought to this one, and back, as the pages say."""

from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests import differences
from tests.faults import visitors
from tests.host.debian import CHECKOUT, PATIENCE, Server, checkout, fresh
from tests.profiles import PROFILES, ROOT
from tests.stacks import until
from tests.verify.command import run as verify
from verify.check import CHECKS

pytestmark = pytest.mark.xdist_group("upgrade")

CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
PREVIOUS = re.findall(r"^## [\d.]+ \(.*, commit (\w+)\)$", CHANGES, re.M)[0]
REMOTE = "/root/remote"
MAIL = ("Environment=MAIL_SERVER=", "Environment=MAIL_SERVER=10.0.0.1")
# A line of a marked block, and what an operator has in its place; the file is the server's.
EDITS = {
    "nginx": {
        "/etc/nginx/sites-available/app.conf": ("    localhost 1;", "    localhost 1; www.example.org 1;"),
        "/etc/systemd/system/gunicorn.service": MAIL,
    },
    "lighttpd": {
        "/etc/lighttpd/conf-available/50-app.conf": (
            'var.names = "localhost"',
            'var.names = "localhost|www[.]example[.]org"',
        ),
        "/etc/systemd/system/flup.service": MAIL,
    },
}


def git(folder: Path, *command: str) -> str:
    """Run git in a folder, as somebody."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    return subprocess.run(
        ["git", "-C", str(folder), *who, *command], check=True, capture_output=True, text=True
    ).stdout


def commands(page: str, section: str) -> list[str]:
    """Return the commands of a section of a page, without what is said of them."""
    text = page.partition(f" {section}\n")[2].partition("\n#")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    return [line.partition("  #")[0] for block in blocks for line in block.splitlines()]


@pytest.fixture(scope="module", params=["nginx", pytest.param("lighttpd", marks=pytest.mark.at_length)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server with the previous version, set up by its own README, edited, and all that saved."""
    name, folder = str(request.param), tmp_path_factory.mktemp("upgrade")
    now, remote, flask = folder / "now", folder / "remote", folder / "flask"
    checkout(now)
    # The previous version is in its past.
    if git(ROOT, "rev-parse", "--is-shallow-repository").strip() == "true":
        git(ROOT, "fetch", "--quiet", "--unshallow")
    git(folder, "clone", "--quiet", "--no-local", str(ROOT), str(remote))
    git(remote, "checkout", "--quiet", "-B", "main")  # what is cloned may be no branch
    git(remote, "rm", "-r", "--quiet", ".")
    subprocess.run(["cp", "-rT", str(now), str(remote)], check=True)
    git(remote, "add", "--all")
    git(remote, "commit", "--quiet", "--allow-empty", "--message", "This version")
    git(folder, "clone", "--quiet", "--no-local", str(remote), str(flask))
    git(flask, "reset", "--quiet", "--hard", PREVIOUS)
    git(flask, "remote", "set-url", "origin", REMOTE)
    for part in ("static", "fullchain.pem", "privkey.pem"):
        subprocess.run(["cp", "-r", str(now / part), str(flask)], check=True)
    copy = commands((flask / name / "README.md").read_text(encoding="utf-8"), "Copy")
    with fresh(PROFILES[name], flask, commands=copy) as one:
        subprocess.run(["docker", "cp", str(remote), f"{one.container.id}:{REMOTE}"], check=True)
        for line in copy:
            one.run(line)
        one.run("apt-get install --yes --no-install-recommends git")
        one.run("git config --global user.name Test && git config --global user.email test@example.org")
        one.run(f"git config --global safe.directory '*' && chown -R root: {CHECKOUT} {REMOTE}")
        for file, (line, edited) in EDITS[name].items():
            one.run(f"grep -qx '{line}' {file} && sed -i 's/^{line}$/{edited}/' {file}")
        one.run(f"systemctl daemon-reload && systemctl restart {one.app} && systemctl reload {one.front}")
        one.until_it_answers()
        page = (ROOT / "systemd/README.md").read_text(encoding="utf-8")
        for line in [*commands(CHANGES, "From 0.1.0"), commands(page, "Upgrade")[0]]:
            one.run(line.replace("nginx", name))
        yield one


FILES = "/etc/nginx /etc/lighttpd /etc/systemd /etc/tmpfiles.d /srv/app/{app,servers,requirements}"


def state(server: Server) -> str:
    """Return the sum of each file of the configuration and the code."""
    find = f"find {FILES} -type f ! -path '*/__pycache__/*' 2>/dev/null | sort | xargs sha256sum"
    return server.run(find)


def is_the_sites(server: Server, name: str) -> bool:
    page = f"{server.base_url}application/hello"
    answer = requests.get(page, headers={"Host": name}, timeout=PATIENCE, allow_redirects=False)
    return answer.status_code != 421


def upgrade(server: Server, *, back: bool = False, code: int = 0) -> str:
    """Run the command of systemd/README.md; nobody is failed by it. Return what it says."""
    page = (ROOT / "systemd/README.md").read_text(encoding="utf-8")
    *_, forth, backwards = commands(page, "Upgrade")
    command = (backwards if back else forth).replace("nginx", server.profile.name)
    with visitors(server) as load:
        said = server.run(f"{command} 2>&1", code=code)
        number = len(load.visits)
        until(lambda: len(load.visits) > number + 50, "visitors go on")
    assert load.failures == []
    return said


def setting(server: Server, name: str) -> str:
    """Return what the application was started with."""
    environment = f"/proc/$(systemctl show {server.app} -P MainPID)/environ"
    return dict(line.split("=", 1) for line in server.run(f"tr '\\0' '\\n' <{environment}").splitlines())[
        name
    ]


def test_upgrade_keeps_edits_and_is_taken_back_by_one_command(server: Server, tmp_path: Path) -> None:
    before = state(server)
    said = upgrade(server)
    assert said.strip().splitlines()[-1].endswith(f"systemd/upgrade.sh --back {server.profile.name}")
    with (ROOT / "systemd/files.csv").open(encoding="utf-8", newline="") as table:
        copied = [row for row in csv.DictReader(table) if row["profile"] == server.profile.name]
    for row in copied:
        server.run(f"diff --recursive --exclude __pycache__ {row['file']} {row['path']}")
    # What differs from this version is what was edited.
    differ = server.run("git diff --numstat FETCH_HEAD").split()
    assert differ[::3] == ["1", "1"]
    assert differ[1::3] == ["1", "1"]
    assert is_the_sites(server, "www.example.org")
    assert "MAIL_SERVER=10.0.0.1" in server.run(
        f"cat /proc/$(systemctl show {server.app} -P MainPID)/environ"
    )
    server.run("test ! -e /etc/tmpfiles.d/lighttpd-pid.conf")
    _, states = verify(server.tls_url, tmp_path, "--ca", str(server.authority))
    published = {one.row for one in differences.declared() if one.concerns(server.profile.name)}
    assert [one.title for one in CHECKS if one.name in states["fails"] and one.row not in published] == []
    upgrade(server, back=True)
    assert state(server) == before
    assert is_the_sites(server, "www.example.org")
    assert "nothing to go back to" in upgrade(server, back=True, code=1)


def test_setting_of_a_unit_is_taken_into_service_and_back(server: Server) -> None:
    server.run(f"sed -i 's/=10.0.0.1$/=10.0.0.2/' systemd/{server.app}.service && git commit -qam Mail")
    try:
        upgrade(server)
        assert setting(server, "MAIL_SERVER") == "10.0.0.2"
        upgrade(server, back=True)
        assert setting(server, "MAIL_SERVER") == "10.0.0.1"
    finally:
        server.run("git reset --quiet --hard HEAD~")


FRONTS = {
    "nginx": ("nginx/nginx.conf", 'unknown directive "nonsense"'),
    "lighttpd": ("lighttpd/lighttpd.conf", "configfile parser failed"),
}


# Instead of mv: ends what called it once half of the code is exchanged, as a machine does that goes off.
HALF = '/usr/bin/mv "$@"; [ "$4" = /srv/app/servers ] || exit 0; kill -9 $PPID'


@contextmanager
def deploys(server: Server, script: str) -> Iterator[None]:
    """Have the upgrade run a script instead of systemd/deploy.sh, which is systemd/deploy meanwhile."""
    put = "mv systemd/deploy.sh systemd/deploy && install /dev/stdin systemd/deploy.sh"
    server.run(f"{put} <<'END'\n#!/bin/sh\n{script}\nEND\n")
    try:
        yield
    finally:
        server.run("mv systemd/deploy systemd/deploy.sh")


@pytest.mark.parametrize("part", ["configuration", "code", "code, after a deploy that was cut off"])
def test_upgrade_that_does_not_work_changes_nothing(server: Server, part: str) -> None:
    file, says = FRONTS[server.profile.name]
    if part != "configuration":
        file, says = "app/guide/application.py", "this code does not start"
    server.run("git pull --no-rebase --quiet")
    before = state(server)
    if part == "code, after a deploy that was cut off":
        deploy = f"systemd/deploy.sh {server.app}"
        server.run(f"{deploy} && {deploy.replace('.sh', '.sh --back')}")
        with server.instead("mv", HALF) as aside:
            server.run(f"{aside} {deploy}", code=137)
        assert state(server) != before
    server.run(f"sed -i '1i nonsense of the new version' {file} && git commit --quiet --all --message Broken")
    try:
        said = upgrade(server, code=1)
    finally:
        server.run("git reset --quiet --hard HEAD~")
    assert says in said
    assert said.strip().splitlines()[-1].startswith("error: this does not work")
    assert state(server) == before


def test_file_that_git_does_not_know_is_not_overwritten(server: Server) -> None:
    """Neither by an upgrade, nor on the way back."""
    file = next(iter(EDITS[server.profile.name]))
    upgrade(server)
    server.run(f"echo '# by hand' >>{file}")
    before = state(server)
    try:
        for back in (False, True):
            said = upgrade(server, back=back, code=1).strip().splitlines()[-1]
            assert said.startswith(f"error: {file} was edited on this server")
            assert state(server) == before
    finally:
        server.run(f"sed -i '$ d' {file}")
    upgrade(server, back=True)


@pytest.mark.parametrize(
    "deploy",
    ["", '{} systemd/deploy "$@";', 'systemd/deploy "$@";'],
    ids=["the configuration", "half of the code", "the code"],
)
def test_upgrade_that_was_cut_off_is_taken_back_first(server: Server, deploy: str) -> None:
    """The machine went off when deploy.sh was to begin, amid its exchange, or when it had ended."""
    server.run("git pull --no-rebase --quiet")
    before = state(server)
    with server.instead("mv", HALF) as aside, deploys(server, f"{deploy.format(aside)} kill -9 $PPID"):
        server.run(f"systemd/upgrade.sh {server.profile.name}", code=137)
    assert state(server) != before
    assert "nothing to go back to" in upgrade(server, back=True, code=1)
    assert state(server) == before


def test_front_end_that_an_upgrade_ended_is_started_again(server: Server) -> None:
    """One that was cut off may have left files that it could not start with."""
    name, front = server.profile.name, server.front
    server.run("git pull --no-rebase --quiet")
    before = state(server)
    with deploys(server, "kill -9 $PPID"):
        server.run(f"systemd/upgrade.sh {name}", code=137)
    server.run(f"systemctl stop {front}")
    assert "nothing to go back to" in server.run(f"systemd/upgrade.sh --back {name} 2>&1", code=1)
    assert server.run(f"systemctl is-active {front}") == "active\n"
    server.until_it_answers()
    assert state(server) == before
    # With the previous version a reload ends lighttpd, unless its pid file was made so before the start.
    server.run(f"systemctl stop {front} && systemd-tmpfiles --create && systemctl start {front}")
    server.until_it_answers()


@pytest.mark.parametrize("name", ["INT", "HUP", "TERM"])
def test_upgrade_that_is_interrupted_leaves_nothing_half_done(server: Server, name: str) -> None:
    """While the code is looked at, all is taken back; once it is put in service, the upgrade goes on."""
    command = f"systemd/upgrade.sh {server.profile.name} 2>&1"
    server.run("git pull --no-rebase --quiet")
    before = state(server)
    with server.instead("setpriv", f'kill -{name} 0; exec /usr/bin/setpriv "$@"') as aside:
        said = server.run(f"{aside} setsid --wait {command}", code=1)
    assert "and all was taken back: what served still does." in said
    assert state(server) == before
    reload = f'[ "$1 $2" != "reload {server.app}" ] || kill -{name} 0; exec /usr/bin/systemctl "$@"'
    with server.instead("systemctl", reload) as aside:
        assert "are in service" in server.run(f"{aside} setsid --wait {command}")
    upgrade(server, back=True)
    assert state(server) == before


@pytest.mark.parametrize(("what", "folder"), [("deploy", "/srv/app/venv"), ("upgrade", "/srv/app")])
def test_one_goes_on_at_a_time(server: Server, what: str, folder: str) -> None:
    whose = {"deploy": server.app, "upgrade": server.profile.name}[what]
    server.run("git pull --no-rebase --quiet")
    before = state(server)
    said = server.run(f"flock {folder} systemd/{what}.sh {whose} 2>&1", code=1)
    assert said == f"error: another {what} goes on: try again when it has ended.\n"
    assert state(server) == before


def test_back_is_refused_where_code_was_deployed_since(server: Server) -> None:
    upgrade(server)
    server.run(f"systemd/deploy.sh {server.app}")
    before = state(server)
    assert "code was deployed since" in upgrade(server, back=True, code=1)
    assert state(server) == before


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("upgrade.sh", "'' is no profile for a server. Choose one of: nginx lighttpd"),
        ("upgrade.sh --back granian", "'granian' is no profile for a server"),
        ("upgrade.sh nginx", "this needs git"),
    ],
)
def test_what_cannot_be_upgraded_is_said(server: Server, command: str, says: str) -> None:
    command = command.replace("nginx", server.profile.name)
    server.run("rm -rf /root/plain && mkdir /root/plain && cp -r systemd /root/plain")
    said = server.run(f"/root/plain/systemd/{command} 2>&1", code=1)
    assert said.startswith("error: ")
    assert says in said
