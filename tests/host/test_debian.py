"""Issue 6: a folder's README, from a fresh Debian 13 to the site under systemd, by its own commands.

The server: debian.py.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests import differences
from tests.faults import visitors
from tests.host.debian import (
    PATIENCE,
    SERVERS,
    STUDENT,
    WITH_SOCKET,
    Server,
    as_readme_says,
    block,
    checkout,
    fresh,
    hello,
)
from tests.profiles import PROFILES, ROOT
from tests.site import Site
from tests.stacks import until
from tests.verify.command import run as verify
from verify.check import CHECKS

pytestmark = pytest.mark.xdist_group("debian")


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a fresh server with a checkout, and run README's commands."""
    with as_readme_says(request.param, tmp_path_factory.mktemp("checkout")) as one:
        yield one


def test_site_is_there_after_at_most_twelve_commands(server: Server) -> None:
    assert len(block(f"{server.profile.front}/README.md", "Copy")) <= 12
    assert hello(server) == "Hello World"
    assert f"Served by <b>{server.profile.front}</b>" in requests.get(server.base_url, timeout=PATIENCE).text
    for unit in server.units:
        assert server.run(f"systemctl is-enabled {unit}").strip() == "enabled"


# The line of a unit's marked block that a sibling's README edits.
FRONT = "Environment=APP_FRONT_END="


def test_files_are_those_of_the_folder(server: Server) -> None:
    with (ROOT / "systemd/files.csv").open(encoding="utf-8", newline="") as table:
        copied = [row for row in csv.DictReader(table) if row["profile"] == server.profile.name]
    assert copied
    for row in copied:
        differ = f"diff --recursive --exclude __pycache__ --ignore-matching-lines '^{FRONT}' "
        server.run(differ + f"{row['file']} {row['path']}")


def test_contract_holds_but_where_differences_are_published(server: Server, tmp_path: Path) -> None:
    _, states = verify(server.tls_url, tmp_path, "--ca", str(server.authority))
    assert states["not checked"] == ["redirect_to_https"]
    published = {one.row for one in differences.declared() if one.concerns(server.profile.name)}
    assert [one.title for one in CHECKS if one.name in states["fails"] and one.row not in published] == []


def test_chapters_are_as_in_the_container(server: Server) -> None:
    """All that is asked of any address; the chapter on mail needs a mail server, which this one has not."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract"),
            *("--profiles", server.profile.name, "--base-url", server.base_url.rstrip("/")),
            *("--deselect", "tests/contract/test_guide_mail.py"),
        ],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


EXPOSURE = {"apache2": 2.3}
"""httpd's first process is root's, which alone reads the key: see systemd/README.md."""


def idle_lines(server: Server, unit: str) -> set[str]:
    """Return the lines of what a unit may not, without which systemd's own check says nothing else."""
    script = f"""
        cd $(mktemp -d) && mkdir x@x.service.d
        cp $(systemctl show {unit} -P FragmentPath) x@x.service
        for file in $(systemctl show {unit} -P DropInPaths); do cp $file x@x.service.d/; done
        file=$(grep --files-with-matches --recursive 'What it may not' .)
        cp $file whole
        check() {{ systemd-analyze security --offline=yes --json=short ./x@x.service | md5sum; }}
        check
        numbers=$(awk '/What it may not/ {{on = 1}} /^.Install/ {{on = 0}} on && /^[A-Z]/ {{print NR}}' whole)
        for number in $numbers
        do
            sed "$number d" whole >$file
            echo $(check) $(sed --quiet "$number p" whole)
        done"""
    (whole, _), *without = (line.split(maxsplit=1) for line in server.run(script).splitlines())
    assert len(without) > 7, without
    return {line.removeprefix("- ") for found, line in without if found == whole}


@pytest.mark.parametrize("unit", ["its own", "app-backup"])
def test_unit_is_hardened(server: Server, unit: str) -> None:
    unit = server.app if unit == "its own" else unit
    server.run("cp systemd/app-backup.* /etc/systemd/system/ && systemctl daemon-reload")
    assert server.run(f"systemd-analyze verify --man=no {unit}.service") == ""
    said = server.run(f"systemd-analyze security --no-pager {unit}.service")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found
    assert float(found[1]) <= EXPOSURE.get(unit, 2.0), said
    # That one is httpd's, which does not start without it: a call that is refused would end its check.
    assert idle_lines(server, unit) == ({"SystemCallErrorNumber=EPERM"} if unit == "apache2" else set())


def test_no_package_brings_a_profile_for_apparmor(server: Server) -> None:
    """Debian has it on: what has a profile is confined."""
    assert server.run("find /etc /usr -path '*/apparmor.d/*' -type f") == ""


with_socket = pytest.mark.parametrize(
    "server", [name for name in SERVERS if name in WITH_SOCKET], indirect=True, scope="module"
)


@with_socket
def test_socket_is_for_the_front_end_alone(server: Server) -> None:
    path = server.run(f"systemctl show {server.app}.socket -P Listen").split()[0]
    assert server.run(f"stat --format '%U %G %a' {path}").strip() == "root www-data 660"
    status = server.run(f"cat /proc/$(systemctl show {server.app} -P MainPID)/status | grep CapEff")
    assert status.split()[1] == "0" * 16


def blocks_nobody(server: Server, unit: str) -> bool:
    """Return whether a process that asks the unit's socket for a connection, and comes too late, goes on."""
    script = f"""
        path=$(systemctl show {unit}.socket -P Listen | cut -d ' ' -f 1)
        listening=$(awk -v path=$path '$8 == path && $4 == "00010000" {{print $7}}' /proc/net/unix)
        cd /proc/$(systemctl show {unit}.service -P MainPID)
        for number in $(ls fd); do
            test "$(readlink fd/$number)" = "socket:[$listening]" || continue
            awk '/^flags/ {{print $2}}' fdinfo/$number
        done"""
    flags = server.run(script).split()
    assert flags, "it does not have the socket"
    return all(int(found, 8) & os.O_NONBLOCK for found in flags)


@with_socket
def test_socket_blocks_no_process_after_a_reload(server: Server) -> None:
    """What systemd starts at a reload changes nothing about it, as it does with a StandardInput=socket."""
    assert blocks_nobody(server, server.app)
    before = server.processes()
    server.run(f"systemctl reload {server.app}")
    assert blocks_nobody(server, server.app)
    until(lambda: not before & server.processes(), "the old processes have ended", 40)
    assert blocks_nobody(server, server.app)


def test_application_is_of_its_own_user_and_has_no_right_of_roots(server: Server) -> None:
    for process in server.processes():
        status = server.run(f"cat /proc/{process}/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        assert (fields["CapEff"], fields["NoNewPrivs"]) == ("0" * 16, "1")


def test_secret_is_in_no_environment_and_for_nobody_else(server: Server) -> None:
    secret = server.run("cat /etc/app/secret_key").strip()
    assert len(secret) >= 32
    assert server.run("stat --format '%U %G %a' /etc/app/secret_key").strip() == "root app 640"
    assert secret not in server.run(
        f"cat /proc/[0-9]*/environ | tr '\\0' '\\n'; systemctl show {server.app}; journalctl"
    )


def test_log_is_json_in_the_journal(server: Server) -> None:
    lines = server.run(
        f"journalctl -u {server.app} -o cat _COMM=gunicorn _COMM=python _COMM=python3"
    ).splitlines()
    assert lines
    for line in lines:
        assert {"level", "message"} <= json.loads(line).keys()


def test_log_is_rotated_and_goes_on(server: Server) -> None:
    """By the file that Debian's package of the front end brings."""
    server.run("apt-get install --yes logrotate")
    log = f"/var/log/{server.front}/access.log"

    def told(request: str, file: str) -> bool:
        requests.get(f"{server.base_url}application/hello?{request}", timeout=PATIENCE)
        lines = [json.loads(line) for line in server.run(f"cat {file}").splitlines()]
        return any(line["query"] == request for line in lines)

    until(lambda: told("before", log), "the log has the request")
    old = server.processes()
    with visitors(server) as load:
        server.run(f"logrotate --force /etc/logrotate.d/{server.front}")
        until(lambda: told("after", log), "the new log has the request", 40)
    assert load.failures == []
    if server.front == server.app:
        until(lambda: not old & server.processes(), "httpd, too, is replaced for that", 60)
    assert '"before"' in server.run(f"cat {log}.1")
    assert '"before"' not in server.run(f"cat {log}")


LOCK = """
import sqlite3, time
connection = sqlite3.connect("/var/lib/app/database.db", isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
open("/root/locked", "w").close()
time.sleep(60)
"""


def test_F2_killed_process_has_its_request_told_of_and_is_replaced(server: Server) -> None:
    """One that waits for the database."""
    site = Site(server.base_url)
    fields = STUDENT | {"csrf_token": site.token("/sqlite/enternew")}
    before = server.processes()
    server.run(f"rm -f /root/locked; nohup python3 -c '{LOCK}' >/root/nohup 2>&1 & echo $! >/root/locker")

    def at_work() -> set[str]:
        files = server.run(f"ls -l {' '.join(f'/proc/{process}/fd' for process in before)}")
        found = re.findall(r"^/proc/(\d+)/fd:\n((?:.+\n)+)", files, re.M)
        return {process for process, listed in found if "/var/lib/app/database.db\n" in listed}

    try:
        until(lambda: server.run("ls /root").split().count("locked") == 1, "the database is locked")
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(site.post, "/sqlite/addrec", data=fields, timeout=PATIENCE)
            until(lambda: bool(at_work()), "a process waits for the database")
            (victim,) = at_work()
            server.run(f"kill -KILL {victim}")
        assert answer.result().status_code in {502, 503}
        assert int(answer.result().headers["Retry-After"]) > 0
    finally:
        server.run("kill $(cat /root/locker)")
        until(lambda: server.processes() - before != set(), "another takes its place")


def test_reload_replaces_all_processes_and_fails_nobody(server: Server) -> None:
    before = server.processes()
    with visitors(server) as load:
        server.run(f"systemctl reload {server.app}")
        until(lambda: not before & server.processes(), "the old processes have ended", 40)
        if server.front != server.app:
            server.run(f"systemctl reload {server.front}")
        number = len(load.visits)
        until(lambda: len(load.visits) > number + 50, "visitors go on")
    assert load.failures == []
    processes = {str(visit.process) for visit in load.visits}
    assert processes & before, "the old ones answered"
    assert processes - before, "the new ones did"


def test_front_end_is_reloaded_after_a_restart_too(server: Server) -> None:
    """What one start leaves behind, a pid file say, is not in the way of the next reload."""
    server.run(f"systemctl restart {server.front}")
    server.until_it_answers()
    starts = f"systemctl show {server.front} -P NRestarts -P ActiveEnterTimestampMonotonic"
    before = server.run(starts)
    with visitors(server) as load:
        server.run(f"systemctl reload {server.front}")
        number = len(load.visits)
        until(lambda: len(load.visits) > number + 150, "visitors go on")
    assert load.failures == []
    assert server.run(starts) == before


@with_socket
def test_restart_of_the_application_keeps_visitors_waiting_alone(server: Server) -> None:
    with visitors(server) as load:
        server.run(f"systemctl restart {server.app}")
        number = len(load.visits)
        until(lambda: len(load.visits) > number + 50, "visitors go on")
    assert load.failures == []


def test_application_has_as_many_processes_as_its_unit_says(server: Server) -> None:
    units = "$(grep -l ^Environment=WEB_CONCURRENCY= -r /etc/systemd/system)"
    put = f"sed -i s/WEB_CONCURRENCY=.*/WEB_CONCURRENCY={{}}/ {units} && systemctl daemon-reload"
    try:
        server.run(f"{put.format(3)} && systemctl restart {server.app}")
        server.processes(more=1)
    finally:
        server.run(f"{put.format(2)} && systemctl restart {server.app}")
        server.until_it_answers()


SMALL_DISK = """
    systemctl stop gunicorn.socket gunicorn.service
    rm -rf /root/data && cp -a /var/lib/app /root/data && rm -f /root/data/*-shm
    mount -t tmpfs -o size=64m,mode=0750,uid=$(id -u app),gid=$(id -g app) tmpfs /var/lib/app
    cp -a /root/data/. /var/lib/app
    systemctl start gunicorn.socket gunicorn.service
    timeout 60 sh -c "until curl --fail --silent --output /root/ready http://localhost/readyz; do :; done\""""
"""An empty one in place of the folder of the data, which it takes in."""
HOLDER = """import pathlib, sqlite3, time
database = sqlite3.connect("database.db", isolation_level=None)
database.execute("BEGIN IMMEDIATE"); database.execute("PRAGMA user_version = 1"); database.execute("COMMIT")
pathlib.Path("held").touch(); time.sleep(600)"""
FILL = "! head -c 100M /dev/zero >/var/lib/app/filler"
NOT_FULL = """
    systemctl stop gunicorn.socket gunicorn.service
    systemctl stop holder 2>/dev/null || true
    umount /var/lib/app && systemctl start gunicorn.socket gunicorn.service"""


def port_taken(front: str, by: str) -> str:
    """Return commands by which another server has port 80 when the front end is to start.

    That fails, but for lighttpd: systemd does not wait until it listens (Type=simple).
    """
    start = "" if front == "lighttpd" else "! "
    return f"""
        systemctl stop {front}
        printf '[Service]\\nExecStart=python3 -m http.server 80\\n' >/run/systemd/system/{by}.service
        systemctl daemon-reload && systemctl start {by}
        until ss -ltn | grep -q :80; do :; done
        {start}systemctl start {front}"""


NO_CERTIFICATE = "rm /etc/app/tls/fullchain.pem"
NOT_ITS_SOCKET = "chgrp root /run/app/{}.sock"
NO_SOCKET = "systemctl disable --now gunicorn.socket && rm -f /run/app/{}.sock"
# Makes a fault, with Gunicorn's units for the application server's; by what README says of it.
FAULTS = {
    "a duplicate default server for 0.0.0.0:80": "ln -s ../sites-available/default /etc/nginx/sites-enabled/",
    "000-default.conf": "a2ensite 000-default && systemctl reload apache2",
    "bind() to 0.0.0.0:80 failed (98: Address already in use)": port_taken("nginx", by="apache2"),
    "bind() 0.0.0.0:80: Address already in use": port_taken("lighttpd", by="apache2"),
    "could not bind to address [::]:80": port_taken("apache2", by="nginx"),
    'cannot load certificate "/etc/app/tls/fullchain.pem"': NO_CERTIFICATE,
    "/etc/app/tls/fullchain.pem: No such file or directory": NO_CERTIFICATE,
    "file '/etc/app/tls/fullchain.pem' does not exist or is empty": NO_CERTIFICATE,
    "/etc/app/tls/privkey.pem: Permission denied":
        "install -m 0600 -t /etc/app/tls privkey.pem && systemctl reload lighttpd",
    "opening pid-file failed: /run/lighttpd.pid: Permission denied":
        "rm /etc/systemd/system/lighttpd.service.d/app.conf && systemctl daemon-reload && "
        "systemctl restart lighttpd && systemctl reload lighttpd",
    "connect() to unix:/run/app/app.sock failed (13: Permission denied)": NOT_ITS_SOCKET.format("app"),
    "unix:/run/app/flup.sock: Permission denied": NOT_ITS_SOCKET.format("flup"),
    "Unable to connect to WSGI daemon process 'app'": "chown root /run/apache2/wsgi.*.sock",
    "connect() to unix:/run/app/app.sock failed (2: No such file or directory)": NO_SOCKET.format("app"),
    "unix:/run/app/flup.sock: No such file or directory": NO_SOCKET.format("flup"),
    "The secret key /etc/app/secret_key cannot be read (Permission denied)":
        "chgrp root /etc/app/secret_key && ! systemctl restart gunicorn",
    # The files that SQLite puts beside a database are there, and grow; or there is no room to make them.
    "database or disk is full": f"""
        {SMALL_DISK}
        systemd-run --quiet --unit holder --uid app --working-directory /var/lib/app python3 -c '{HOLDER}'
        timeout 60 sh -c "until test -e /var/lib/app/held; do :; done"
        {FILL}""",
    "disk I/O error": f"{SMALL_DISK}\n{FILL}",
    "Certificate will expire": """
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=localhost \\
            -keyout /root/key.pem -not_before 20240101000000Z -not_after 20240201000000Z \\
            -out /root/chain.pem 2>/dev/null
        cat /root/key.pem >/etc/app/tls/privkey.pem && cat /root/chain.pem >/etc/app/tls/fullchain.pem
        systemctl reload FRONT""",
}  # fmt: skip
OUT_OF_REACH = ("connect() to", "unix:", "Unable to connect")
CHECKS_ITSELF = {
    "nginx": "nginx -t",
    "lighttpd": "lighttpd -tt -f /etc/lighttpd/lighttpd.conf",
    "apache2": "apachectl configtest",
}


def cures() -> list[tuple[str, str, str, str]]:
    """Return the rows of each section When it doesn't: profile, where one looks, what it says, what to do."""
    found = []
    for name in SERVERS:
        section = (
            (ROOT / name / "README.md").read_text(encoding="utf-8").partition("\n## When it doesn't\n")[2]
        )
        rows = re.findall(r"^\| `(.*?)` \| `(.*?)` \| `(.*?)`", section.partition("\n## ")[0], re.M)
        found += [(name, *row) for row in rows]
    return found


def test_each_fault_is_in_a_readme() -> None:
    assert {says for _, _, says, _ in cures()} == FAULTS.keys()
    for name in SERVERS:
        assert len([one for one, *_ in cures() if one == name]) >= 8


@pytest.mark.parametrize(
    ("server", "where", "says", "cure"),
    cures(),
    indirect=["server"],
    scope="module",
    ids=[f"{row[0]}-{row[2]}" for row in cures()],
)
def test_fault_is_told_as_readme_says_and_cured(server: Server, where: str, says: str, cure: str) -> None:
    # systemd starts a unit five times in 10 s and no more; these faults come quicker than an operator's.
    server.run(f"systemctl reset-failed {' '.join(server.units)}")
    server.run("set -e\n" + server.own(FAULTS[says]).replace("FRONT", server.front))
    site = Site(server.base_url)
    if "disk" in says:
        answer = site.submit("/sqlite/enternew", "/sqlite/addrec", STUDENT)
        assert answer.status_code >= 400
    elif says.startswith(OUT_OF_REACH):
        assert site.get("/application/hello").status_code == (502 if server.front == "nginx" else 503)
    look = f"tail -n 50 {where}" if where.startswith("/") else f"{where} 2>&1 || true"
    until(lambda: says in server.run(look), says)
    if says == "disk I/O error":
        assert says in site.get("/readyz").text
    server.run(cure)
    if "disk" in says:
        assert "successfully" in site.submit("/sqlite/enternew", "/sqlite/addrec", STUDENT).text
        server.run(server.own(NOT_FULL))
    server.run(f"{CHECKS_ITSELF[server.front]} && systemctl restart {server.front}")
    server.until_it_answers()


INSTEAD = ["gevent", "tornado", "twisted", "uvicorn", "waitress"]
"""What stands behind the same nginx in Gunicorn's place; nginx/README.md says why Granian does not."""


@pytest.mark.parametrize("server", ["nginx"], indirect=True, scope="module")
@pytest.mark.parametrize("other", INSTEAD)
def test_another_application_server_takes_gunicorns_place(server: Server, other: str) -> None:
    lines = block("nginx/README.md", "Another application server")
    try:
        for line in lines:
            server.run(line.replace("waitress", other))
        server.until_it_answers()
        assert other in requests.get(server.base_url, timeout=PATIENCE).text
        said = server.run(f"systemd-analyze security --no-pager app@{other}.service")
        assert float(said.split("exposure level for")[1].split()[1]) <= 2.0
        assert idle_lines(server, f"app@{other}") == set()
        with visitors(server) as load:
            server.run(f"systemd/deploy.sh app@{other}")
            assert blocks_nobody(server, f"app@{other}")
            number = len(load.visits)
            until(lambda: len(load.visits) > number + 50, "visitors go on")
        assert load.failures == []
    finally:
        server.run(f"systemctl disable --now app@{other}.socket app@{other}.service")
        server.run("systemctl enable --now gunicorn.socket gunicorn.service")
        server.until_it_answers()


def test_after_a_reboot_all_is_back_by_itself(server: Server) -> None:
    """The last one: what was there before is there, and what was started then starts."""
    site = Site(server.base_url)
    site.submit("/sqlite/enternew", "/sqlite/addrec", STUDENT | {"nm": "Hamilton"})
    server.container.restart()
    server.until_started()
    server.until_it_answers()
    assert "Hamilton" in site.get("/sqlite/list").text
    assert server.run("systemctl --failed --plain --no-legend").strip() == ""


@pytest.mark.parametrize("name", SERVERS)
def test_what_is_exported_serves_its_names_alone(name: str, tmp_path: Path) -> None:
    """By the commands that come with it; 127.0.0.1 is the health check's."""
    folder = checkout(tmp_path / "flask")
    dest = tmp_path / "server"
    asked = [f"PROFILE={name}", "SERVER_NAME=www.example.org,example.org", f"DEST={dest}"]
    subprocess.run(["make", "export", *asked], cwd=folder, check=True, capture_output=True)
    for file in ("fullchain.pem", "privkey.pem"):
        (dest / file).write_bytes((folder / file).read_bytes())
    lines = (dest / "COMMANDS").read_text().splitlines()
    with fresh(PROFILES[name], dest, commands=lines) as server:
        for line in lines:
            server.run(line)
        server.until_it_answers()
        page, authority = f"{server.tls_url}application/hello", str(server.authority)
        for host, status in (("www.example.org", 200), ("example.org", 200), ("wwwxexample.org", 421)):
            answer = requests.get(page, headers={"Host": host}, timeout=PATIENCE, verify=authority)
            assert (host, answer.status_code) == (host, status)
