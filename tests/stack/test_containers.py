"""The containers of a profile: no root, nothing writable, one published port, health that means it."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
from docker.models.containers import Container

from tests.profiles import PRODUCTION, ROOT
from tests.stacks import Stack, copy_of_repository, until

TOOLS = "gcc cc c++ make apxs pip pip3 uv npm npx git wget gdb strace"


def running(stack: Stack) -> list[Container]:
    """Return the containers that serve; the schema's step has ended."""
    containers = [c for c in stack.containers() if c.labels["com.docker.compose.service"] != "migrate"]
    assert {container.status for container in containers} == {"running"}
    return containers


@pytest.mark.production
@pytest.mark.front_end
def test_configuration_in_effect_can_be_shown(stack: Stack) -> None:
    """By the server itself, without what starts it, as an administrator asks."""
    said = stack.execute(stack.front, "sh", "-c", stack.front.labels["config.show"])
    assert "198.51.100.0/24" in said  # of the marked block


# ---- K1: what a container may do ----


def test_K1_container_has_no_privileges(stack: Stack) -> None:
    for container in stack.containers():
        host, config = container.attrs["HostConfig"], container.attrs["Config"]
        assert config["User"] not in {"", "0", "root"}, container.name
        assert host["ReadonlyRootfs"], container.name
        assert host["CapDrop"] == ["ALL"], container.name
        assert host["CapAdd"] is None, container.name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], container.name
        assert not host["Privileged"], container.name
        assert not host["Devices"], container.name
        assert 0 < host["PidsLimit"] <= 2000, container.name
        assert 0 < host["Memory"] <= 512 * 1024 * 1024, container.name
        assert host["Init"], container.name
        # As systemd gives a service: more files than 1,024 are for a server to ask for.
        assert host["Ulimits"] == [{"Name": "nofile", "Soft": 1024, "Hard": 8192}], container.name


def test_K1_processes_run_as_the_kernel_sees_them_without_privileges(stack: Stack) -> None:
    """Whatever was asked for: no capability, no way to gain one, filtered system calls, no root."""
    for container in running(stack):
        status = stack.execute(container, "cat", "/proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2"), container.name
        processes = container.top(ps_args="-eo uid,gid,pid")["Processes"]
        assert processes
        assert not {"0"} & {identity for *ids, _ in processes for identity in ids}, processes


def test_K1_socket_is_open_to_its_group_alone(stack: Stack) -> None:
    """On a plain server the front end is another user, and in that group. mod_wsgi's is of its own making."""
    if stack.app != stack.front:
        sockets = stack.execute(stack.app, "find", "/run/app", "-type", "s", "-printf", "%u %g %m\n")
        assert sockets == "app app 660\n"


@pytest.mark.production
def test_R1_server_that_root_starts_serves_as_another_user(stack: Stack) -> None:
    """As on a plain server, where the first process is root's, for the ports: it answers nobody itself."""
    front = stack.front
    config = front.attrs["Config"]
    # Nor does the environment say there where Python is, or that there is no prefix.
    environment = [one for one in config["Env"] if not one.startswith(("APP_PREFIX=", "PATH="))]
    environment += ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    # The application's data and key belong to whom the server runs it as.
    environment += ["APP_DATA_FOLDER=/tmp/data", "APP_SECRET_KEY_FILE=/tmp/key"]
    container = stack.docker.containers.run(
        stack.image(front),
        # There, logs are files.
        ["sh", "-c", f"rm -f /var/log/*/*.log; echo {'k' * 64} >/tmp/key; exec \"$@\"", "sh", *config["Cmd"]],
        user="root", network="none", volumes_from=[str(front.id)], detach=True,
        environment=environment, tmpfs=front.attrs["HostConfig"]["Tmpfs"],
    )  # fmt: skip
    try:
        fetch = ["curl", "--fail-early", "-fsS", "-o", "/dev/null", "http://127.0.0.1/static/site.css"]
        if stack.app == front:
            fetch += ["--next", "-fsS", "http://127.0.0.1/application/hello"]
        until(lambda: stack.attempt(container, *fetch)[0] == 0, "it serves", 15)
        # The application's policy, if it came from there.
        assert "script-src" not in stack.execute(
            container, "curl", "-sSI", "http://127.0.0.1/static/site.css"
        )
        processes = container.top(ps_args="-eo pid,ppid,uid,gid")["Processes"]
        parents = {parent for _, parent, *_ in processes}
        served_by = {(uid, gid) for pid, _, uid, gid in processes if pid not in parents}
        assert served_by
        assert served_by <= {("33", "33"), ("10001", "10001")}, processes  # www-data, app
        # Debian's log rotation reads the one, and a person the other.
        own = ["find", "/run", "-name", "*.pid", "-not", "-path", "/run/app/*", "-exec", "cat", "{}", "+"]
        pid = stack.execute(container, *own).strip()
        assert pid.isdecimal()
        stack.execute(container, "test", "-e", f"/proc/{pid}")
        if "servers/httpd.py" in config["Cmd"]:  # what systemd has of it is JSON
            until(lambda: container.logs(stdout=False), "httpd has said something")
            for line in container.logs(stdout=False).splitlines():
                assert json.loads(line)["message"]
        else:
            stack.execute(container, "sh", "-c", "test -f /var/log/*/error.log")
    finally:
        container.remove(force=True)


def test_K1_container_shares_nothing_with_the_host(stack: Stack) -> None:
    for container in stack.containers():
        host = container.attrs["HostConfig"]
        for namespace in ("NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode"):
            assert host.get(namespace) not in {"host", "shareable"}, (container.name, namespace)
        folders = [mount["Source"] for mount in container.attrs["Mounts"] if mount["Type"] == "bind"]
        assert [folder for folder in folders if not folder.startswith(f"{stack.folder}/")] == []
        assert not any(mount["RW"] for mount in container.attrs["Mounts"] if mount["Type"] == "bind")


def test_K1_nothing_can_be_written_but_what_is_named(stack: Stack) -> None:
    """And from what is in memory nothing can be run."""
    for container in running(stack):
        lines = stack.execute(container, "cat", "/proc/self/mounts").splitlines()
        options = {line.split()[1]: set(line.split()[3].split(",")) for line in lines}
        writable = {point for point in options if "rw" in options[point]}
        of_docker = {point for point in writable if point.split("/")[1] in {"dev", "proc", "sys"}}
        named = set(container.attrs["HostConfig"].get("Tmpfs") or {})
        volumes = {mount["Destination"] for mount in container.attrs["Mounts"] if mount["RW"]}
        assert writable - of_docker == named | volumes, container.name
        assert all(point.split("/")[1] in {"run", "tmp", "var"} for point in named | volumes), container.name
        for point in named:
            assert {"noexec", "nosuid", "nodev"} <= options[point], (container.name, point)


def test_K1_no_secret_is_where_it_can_be_read_by_others(stack: Stack) -> None:
    """Not in an environment, an image, its history, a process list or a log: in files that are mounted."""
    secret = (stack.folder / "secrets/secret_key").read_text(encoding="ascii").strip()
    key = "".join((stack.folder / "certs/site/privkey.pem").read_text(encoding="ascii").splitlines()[1:-1])
    for container in stack.containers():
        image = stack.image(container)
        places = {
            "inspection": json.dumps(container.attrs),
            "history": json.dumps(image.history()),
            "log": container.logs().decode(errors="replace"),
        }
        if container.status == "running":
            places["processes"] = json.dumps(container.top(ps_args="-eo pid,args"))
            places["environment"] = stack.execute(container, "cat", "/proc/1/environ")
            assert not re.search(r"(SECRET|PASSWORD|TOKEN|KEY)\w*(?<!_FILE)=", places["environment"])
        for place, text in places.items():
            assert secret not in text, (container.name, place)
            assert key not in text, (container.name, place)
        names = "-name secret_key -o -name privkey.pem -o -name ca-key.pem -o -name .env"
        found = stack.docker.containers.run(
            image, f"/ -xdev {names}", entrypoint="find", user="0", remove=True, network_disabled=True
        )
        assert found == b"", container.name


def test_K1_image_has_nothing_to_build_or_fetch_with(stack: Stack) -> None:
    """No compiler, package installer of Python or npm, no version control: they are in earlier stages."""
    for container in running(stack):
        script = f"for tool in {TOOLS}; do command -v $tool || true; done"
        assert stack.execute(container, "sh", "-c", script) == "", container.name
        code, _ = stack.attempt(container, "python3", "-c", "import pip")
        assert code != 0, container.name


def test_K1_no_shell_runs(stack: Stack) -> None:
    """A server is started as it is, so that signals reach it: no script holds on beside it."""
    for container in running(stack):
        names = [name for _, name in container.top(ps_args="-eo pid,comm")["Processes"]]
        assert not {"sh", "bash", "dash"} & set(names), (container.name, names)


# ---- K2: what it reaches, and who reaches it ----


def published(container: Container) -> dict[str, set[str]]:
    ports = container.attrs["HostConfig"]["PortBindings"] or {}
    return {inside: {b["HostIp"] for b in bindings} for inside, bindings in ports.items()}


def test_K2_only_the_front_end_and_the_mail_page_are_published(stack: Stack) -> None:
    found = {c.labels["com.docker.compose.service"]: published(c) for c in stack.containers()}
    here = {"127.0.0.1"}
    assert found.pop("mail") == {"1080/tcp": here}
    front = found.pop(stack.profile.front)
    front.pop("443/udp", None)  # HTTP/3, where the server has it
    assert front == (
        {"80/tcp": here, "443/tcp": here} if stack.profile.name in PRODUCTION else {"80/tcp": here}
    )
    assert not any(found.values())


def test_K2_container_is_in_the_stacks_own_network_alone(stack: Stack) -> None:
    for container in stack.containers():
        assert container.attrs["NetworkSettings"]["Networks"].keys() == {f"{stack.name}_default"}


@pytest.mark.shared
def test_K2_starts_where_no_other_network_can_be_reached(
    profile: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing is fetched when it starts: its images bring all it needs."""
    stack = Stack(profile, copy_of_repository(tmp_path_factory.mktemp(profile)))
    stack.compose_files.append("isolated.yaml")
    isolated = "networks: {default: {internal: true}}\n"
    (stack.folder / "isolated.yaml").write_text(isolated, encoding="utf-8")
    try:
        stack.make("secrets")
        subprocess.run([stack.folder / "docker/certs.sh"], check=True, capture_output=True)
        stack.compose("up", "--detach")
        address = ["curl", "-fsS", "--max-time", "2", "http://127.0.0.1/readyz"]
        until(lambda: stack.attempt(stack.front, *address)[0] == 0, "the site answers")
        page = stack.execute(stack.front, "curl", "-fsS", "http://127.0.0.1/application/hello")
        assert page == "Hello World"
        outside = ["curl", "-sS", "--max-time", "2", "http://192.0.2.1/"]
        assert stack.attempt(stack.front, *outside)[0] != 0
    finally:
        stack.remove()


def test_K2_debugger_is_never_published_to_others() -> None:
    """Whoever reaches the development server's debugger runs code on this machine."""
    config = subprocess.run(
        ["docker", "compose", "--profile", "dev", "config", "--format", "json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "BIND": "0.0.0.0"},
    ).stdout
    assert [p["host_ip"] for p in json.loads(config)["services"]["dev"]["ports"]] == ["127.0.0.1"]


def test_mail_goes_to_the_server_that_is_named() -> None:
    """To the catcher by default; every app container is told alike."""
    named = {
        "MAIL_SERVER": "smtp.example.org",
        "MAIL_USE_TLS": "true",
        "MAIL_DEFAULT_SENDER": "a@example.org",
    }
    config = subprocess.run(
        ["docker", "compose", "--profile", "*", "config", "--format", "json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **named},
    ).stdout
    services = json.loads(config)["services"].values()
    told = [s["environment"] for s in services if "APP_SECRET_KEY_FILE" in (s.get("environment") or {})]
    assert len(told) >= 3
    for environment in told:
        assert named.items() <= environment.items()


@pytest.mark.parametrize("role", ["front end", "mail catcher"])
def test_V4_container_becomes_healthy(stack: Stack, role: str) -> None:
    service = stack.profile.front if role == "front end" else "mail"
    until(
        lambda: stack.container(service).attrs["State"]["Health"]["Status"] == "healthy",
        f"{service} is healthy",
    )


def test_V4_health_check_goes_through_to_the_application(stack: Stack) -> None:
    def health() -> int:
        """Run the health check of the image by hand, with less patience."""
        _, curl, *arguments = stack.image(stack.front).attrs["Config"]["Healthcheck"]["Test"]
        return stack.attempt(stack.front, curl, "--max-time", "2", *arguments)[0]

    assert health() == 0
    with stack.app_stopped():
        assert health() != 0


def test_image_carries_the_files_of_the_folder(stack: Stack) -> None:
    """Compose mounts the folders over the image's copies, for `make reload`: both must be the same."""
    for container in stack.containers():
        for mount in container.attrs["Mounts"]:
            folder = mount["Destination"]
            if mount["Type"] != "bind" or not folder.startswith("/srv/") or container.status != "running":
                continue
            if folder == "/srv/static/traps":  # the tests' own, see tests/stacks.py
                continue
            script = f"cd {folder} && find . -type f ! -name '*.pyc' -exec sha256sum {{}} + | sort -k2"
            baked = stack.docker.containers.run(
                stack.image(container), ["-c", script], entrypoint="sh", remove=True, network_disabled=True
            )
            assert baked.decode().splitlines() == stack.execute(container, "sh", "-c", script).splitlines()
            assert baked
