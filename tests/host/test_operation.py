"""Issue 6: what an operator does with a server that is there: new code, settings, copies, certificates.

How it comes to be, and what it is: test_debian.py.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
from collections.abc import Iterator

import pytest

from tests.faults import visitors
from tests.host.debian import (
    CHECKOUT,
    HELLO,
    SERVERS,
    STUDENT,
    Server,
    as_readme_says,
    block,
    blocks,
    deploy,
    hello,
)
from tests.site import Site
from tests.stacks import until

pytestmark = pytest.mark.xdist_group("operation")


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a fresh server with a checkout, and run README's commands."""
    with as_readme_says(request.param, tmp_path_factory.mktemp("checkout"), prepared=True) as one:
        yield one


def test_reload_of_code_that_cannot_be_loaded_is_refused(server: Server) -> None:
    """One that had not read its code yet would read what cannot be loaded, and end."""
    with visitors(server) as load:
        until(lambda: len(load.visits) > 20, "visitors go on")
        until(lambda: len({visit.process for visit in load.visits} - {None}) == 2, "both have answered", 60)
    before = server.processes()
    server.run("cp /srv/app/app/wsgi.py /root/wsgi.py && echo 'raise SystemExit(1)' >>/srv/app/app/wsgi.py")
    try:
        server.run(f"systemctl reload {server.app}", code=1)
        assert hello(server) == "Hello World"
        assert server.processes() == before
    finally:
        server.run("cp /root/wsgi.py /srv/app/app/wsgi.py")


def test_new_code_is_deployed_and_taken_back_without_a_lost_request(server: Server) -> None:
    server.run(f"cp {HELLO} /root/hello.py && sed -i 's/Hello World/Hello Deployed/' {HELLO}")
    made = "/var/lib/app/students.sqlite3"
    server.run(f"rm -f {made}*")
    try:
        with visitors(server) as load:
            assert "--back" in deploy(server)
            assert server.run(f"stat --format '%U %a' {made}") == "app 600\n", "as the unit would make it"
            assert {hello(server) for _ in range(20)} == {"Hello Deployed"}, "it serves once that is said"
            deploy(server, "--back")
            assert {hello(server) for _ in range(20)} == {"Hello World"}, "it serves once that is said"
        assert load.failures == []
    finally:
        server.run(f"cp /root/hello.py {HELLO}")


@pytest.mark.parametrize(
    ("file", "sentence"),
    [(HELLO, "this code does not start"), ("servers/{app}", "does not take this code")],
)
def test_code_that_does_not_start_is_not_put_in_service(server: Server, file: str, sentence: str) -> None:
    """Neither the application's, nor what the server itself loads: that is told at the reload."""
    own = {
        "gunicorn": "gunicorn.conf.py",
        "flup": "flup_server.py",
        "apache2": "httpd.py",
        "uwsgi": "uwsgi_app.py",
    }[server.app]
    file, before = file.format(app=own), server.processes()
    server.run(f"cp {file} /root/kept && sed -i '1i raise SystemExit(1)' {file}")
    try:
        with visitors(server) as load:
            said = deploy(server, code=1).strip().splitlines()[-1]
    finally:
        server.run(f"cp /root/kept {file}")
    assert said.startswith("error: ")
    assert sentence in said
    assert load.failures == []
    assert server.processes() == before
    for part in ("app", "servers", "requirements"):
        server.run(f"diff --recursive --exclude __pycache__ {part} /srv/app/{part}")
    server.run("test ! -e /srv/app/coming")


def test_code_before_that_does_not_start_is_kept(server: Server) -> None:
    deploy(server)
    file = "/srv/app/previous/app/wsgi.py"
    server.run(f"cp {file} /root/kept && sed -i '1i raise SystemExit(1)' {file}")
    said = deploy(server, "--back", code=1).strip().splitlines()[-1]
    assert said.startswith("error: this code does not start")
    assert hello(server) == "Hello World"
    server.run(f"cp /root/kept {file}")
    deploy(server, "--back")


@pytest.mark.parametrize("server", ["nginx"], indirect=True, scope="module")
@pytest.mark.parametrize(("name", "code"), [("INT", 130), ("HUP", 129), ("TERM", 143)])
def test_deploy_that_is_interrupted_leaves_nothing_half_done(server: Server, name: str, code: int) -> None:
    """While it looks at the code, that goes; once it is put in service, all of it is."""
    codes = "stat --format %i /srv/app/app /srv/app/previous/app"
    interrupted = "(cd /root && {} setsid --wait flask/systemd/deploy.sh {} 2>&1)"
    deploy(server)
    before = server.run(codes)
    with server.instead("setpriv", f'kill -{name} 0; exec /usr/bin/setpriv "$@"') as aside:
        for command in ("gunicorn", "--back gunicorn"):
            server.run(interrupted.format(aside, command), code=code)
            assert server.run(codes) == before
    reload = f'[ $1 != reload ] || kill -{name} 0; exec /usr/bin/systemctl "$@"'
    with server.instead("systemctl", reload) as aside:
        assert "The code is in service" in server.run(interrupted.format(aside, "--back gunicorn"))
    assert server.run(codes).split() == before.split()[::-1]
    server.run("test ! -e /srv/app/coming")


@pytest.mark.parametrize("server", ["nginx"], indirect=True, scope="module")
@pytest.mark.parametrize(
    ("program", "then"),
    [
        ("sync", ""),
        ("mv", '/usr/bin/mv "$@"; [ $1 = --exchange ] || exit 0;'),
        ("systemctl", '[ $1 = reload ] || exec /usr/bin/systemctl "$@";'),
    ],
    ids=["before the exchange", "within the exchange", "before the reload"],
)
def test_deploy_that_was_cut_off_is_taken_back_first(server: Server, program: str, then: str) -> None:
    """As it is when the machine goes off; forth and back alike. Some new code may serve already."""
    codes = "stat --format %i /srv/app/{,previous/}{app,servers,requirements}"
    cut_off = "(cd /root && {} flask/systemd/deploy.sh {} 2>&1)"
    server.run(f"cp {HELLO} /root/hello.py && sed -i 's/Hello World/Hello Deployed/' {HELLO}")
    deploy(server)
    server.run(f"cp {HELLO} /root/deployed.py && cp /root/hello.py {HELLO}")
    deploy(server)
    before = server.run(codes)
    said_first = "A deploy that was cut off is taken back first."
    server.run(f"cp /root/deployed.py {HELLO}")
    with server.instead(program, f"{then} kill -9 $PPID") as aside:
        server.run(cut_off.format(aside, "gunicorn"), code=137)
        server.run(f"cp /root/hello.py {HELLO} && systemctl reload gunicorn")
        assert deploy(server, "--back").splitlines() == [said_first]
        assert {hello(server) for _ in range(20)} == {"Hello World"}
        assert server.run(codes) == before, "what one could go back to is there, too"
        server.run(cut_off.format(aside, "--back gunicorn"), code=137)
    assert deploy(server).splitlines()[0] == said_first
    assert {hello(server) for _ in range(20)} == {"Hello World"}
    assert server.run("stat --format %i /srv/app/previous/app").split() == before.split()[:1]
    server.run("test ! -e /srv/app/coming && test ! -e /srv/app/previous/served")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("systemd/deploy.sh", "'' is no application server"),
        ("systemd/deploy.sh --back x", "'x' is no application"),
    ],
)
def test_deploy_of_what_is_not_there_is_refused(server: Server, command: str, sentence: str) -> None:
    said = server.run(command, code=1)
    assert said.startswith("error: ")
    assert sentence in said


@pytest.mark.parametrize("server", ["apache"], indirect=True, scope="module")
def test_upgrade_takes_a_setting_into_service_and_back(server: Server) -> None:
    """Where one unit is front end and application; of the others, from a version before: test_upgrade.py."""
    unit, mail = "systemd/apache2.service.d/app.conf", "Environment=MAIL_SERVER="
    commit = "git -c user.name=Test -c user.email=test@example.org commit --quiet --all --message Mail"
    server.run("apt-get install --yes --no-install-recommends git && git init --quiet && git add --all")
    server.run(f"{commit} && sed -i 's/^{mail}$/{mail}10.0.0.1/' {unit} && {commit}")
    started = "tr '\\0' '\\n' </proc/$(systemctl show apache2 -P MainPID)/environ | grep '^MAIL_SERVER'"
    before = server.run(f"cat /etc/{unit.replace('/', '/system/', 1)}")
    server.run("systemd/upgrade.sh apache")
    assert server.run(started) == "MAIL_SERVER=10.0.0.1\n"
    assert hello(server) == "Hello World"
    # The checkout, too: other tests hold what serves against it.
    server.run("systemd/upgrade.sh --back apache && git reset --quiet --hard HEAD~1")
    assert server.run(started) == "MAIL_SERVER=\n"
    assert server.run(f"cat /etc/{unit.replace('/', '/system/', 1)}") == before
    assert hello(server) == "Hello World"


def test_copy_of_a_database_is_made_and_restored(server: Server) -> None:
    site = Site(server.base_url)
    assert "successfully" in site.submit("/sqlite/enternew", "/sqlite/addrec", STUDENT).text
    for line in block("systemd/README.md", "Back up"):
        server.run(line)
    names = server.run("stat --format '%n %U %a' /var/lib/app-backup/*").splitlines()
    assert {re.sub(r"\.2\d{3}-\S+", "", line) for line in names} == {
        "/var/lib/app-backup/database.db app 600",
        "/var/lib/app-backup/students.sqlite3 app 600",
    }
    site.submit("/sqlite/enternew", "/sqlite/addrec", STUDENT | {"nm": "Hopper"})
    assert "Hopper" in site.get("/sqlite/list").text
    restore = ["set -e", *block("systemd/README.md", "Restore")]
    server.run(server.own("\n".join(restore)))
    server.until_it_answers()
    page = site.get("/sqlite/list").text
    assert "Lovelace" in page
    assert "Hopper" not in page


SITE_FILES = {
    "nginx": ("/etc/nginx/sites-available/app.conf", "s/^    localhost 1;/& www.example.org 1;/"),
    "lighttpd": ("/etc/lighttpd/conf-available/50-app.conf", 's/^var.names = "localhost/&|www.example.org/'),
    "apache": (
        "/etc/apache2/sites-available/app.conf",
        "s/^Define APP_NAME .*/Define APP_NAME www.example.org/",
    ),
}
"""Each site's file, and how sed adds a name to its marked block."""
# Pebble (Debian's) asks as Let's Encrypt does; certbot knows it by --server.
PEBBLE = {
    "listenAddress": "127.0.0.1:14000",
    "managementListenAddress": "127.0.0.1:15000",
    "certificate": f"{CHECKOUT}/fullchain.pem",
    "privateKey": f"{CHECKOUT}/privkey.pem",
    "httpPort": 80,
    "tlsPort": 443,
}
ACME = "certbot certonly --server https://localhost:14000/dir"


def certificate(server: Server) -> str:
    """Return the certificate with which visitors are answered."""
    return ssl.get_server_certificate(("127.0.0.1", server.https)).strip()


def test_certbot_gets_a_certificate_and_renews_it(server: Server) -> None:
    """By README's commands, from an ACME server on the same machine; nobody is failed by it."""
    file, edit = SITE_FILES[server.profile.name]
    subprocess.run(
        ["docker", "cp", str(server.authority), f"{server.container.id}:/root/authority.pem"], check=True
    )
    server.run(
        f"apt-get install --yes --no-install-recommends pebble && echo '{json.dumps({'pebble': PEBBLE})}' "
        ">/root/pebble.json && echo 127.0.0.1 www.example.org >>/etc/hosts && "
        # Else it refuses one request of twenty, and certbot does not always ask again.
        "systemd-run --unit pebble --setenv PEBBLE_VA_NOSLEEP=1 --setenv PEBBLE_WFE_NONCEREJECT=0 "
        "pebble -config /root/pebble.json"
    )
    own, *install, get = blocks(f"{server.profile.front}/README.md", "Certificate")
    server.run(f"cd /root && {own}")
    trusted = "export REQUESTS_CA_BUNDLE=/root/authority.pem; "
    newest = "openssl x509 -in /etc/letsencrypt/live/www.example.org/cert.pem"

    def run(line: str) -> None:
        before = server.processes()
        server.run(line)
        if server.front == server.app and "systemctl reload" in line:
            until(lambda: not before & server.processes(), "httpd is replaced", 60)

    server.run(f"cp {file} /root/site.conf")
    try:
        with visitors(server) as load:
            for line in [f"sed -i '{edit}' {file} && systemctl reload {server.front}", *install]:
                run(line)
            server.run(trusted + get.replace("certbot certonly", ACME))
            first = server.run(newest).strip()
            until(lambda: certificate(server) == first, "visitors are shown the new certificate", 40)
            server.run(f"{trusted} certbot renew --force-renewal --no-random-sleep-on-renew")
            second = server.run(newest).strip()
            assert second != first
            until(lambda: certificate(server) == second, "visitors are shown the renewed certificate", 40)
        # These visitors trust another authority: they go when they are shown Pebble's certificate.
        assert [one for one in load.failures if "CERTIFICATE_VERIFY_FAILED" not in one.failure] == []
        assert server.run("systemctl is-enabled certbot.timer").strip() == "enabled"
    finally:
        server.run(f"systemctl stop pebble; cp /root/site.conf {file}; apt-get purge --yes certbot")
        server.run(
            next(
                line for line in block(f"{server.profile.front}/README.md", "Copy") if "/etc/app/tls" in line
            )
        )
        # Not reloaded: the old process would close the next test's idle connections.
        server.run(f"systemctl restart {server.front}")
        server.until_it_answers()
