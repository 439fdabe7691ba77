"""Issue 6: a denial by AppArmor or SELinux is told as systemd/README.md says, and cured so.

The kernel that runs the tests may have neither: README's server is booted with Debian's, in an emulator.
"""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.host.debian import NEW, Server, as_readme_says
from tests.profiles import ROOT

# Emulated, the application takes 12 s to start; Gunicorn gives it 30 s.
pytestmark = pytest.mark.alone

EMULATOR = f"""
FROM debian:{NEW}-slim
RUN apt-get update && apt-get install -y --no-install-recommends qemu-system-x86 linux-image-cloud-amd64 \
    e2fsprogs policycoreutils
"""
# With .dockerenv systemd would take this for a container; a getty would wait 90 s for udev, which it lacks.
# SELinux's labels are there before the first process, as on a machine that has been relabelled.
BOOT = """
set -e
mkdir /disk && tar --directory /disk --extract --exclude .dockerenv
printf %s "$1" >/disk/root/commands
setfiles -q -r /disk /disk/etc/selinux/default/contexts/files/file_contexts /disk
mke2fs -q -t ext4 -d /disk /disk.img 3G
timeout 900 qemu-system-x86_64 -nodefaults -display none -no-reboot -accel tcg,thread=multi -cpu max \
    -smp 2 -m 1024 -kernel /vmlinuz -initrd /initrd.img \
    -append "root=/dev/vda rw quiet console=ttyS0 systemd.getty_auto=no $0" \
    -drive file=/disk.img,format=raw,if=virtio -serial file:/console -serial stdio || tail -n 40 /console
"""
UNIT = """
[Unit]
After=nginx.service
[Service]
ExecStart=/bin/bash /root/commands
StandardOutput=file:/dev/ttyS1
StandardError=inherit
SELinuxContext=-unconfined_u:unconfined_r:unconfined_t:s0
ExecStopPost=/bin/systemctl poweroff --force --force
[Install]
WantedBy=multi-user.target
"""
PACKAGES = "apparmor selinux-policy-default policycoreutils-python-utils checkpolicy"
CODE = (
    "curl --silent --insecure --max-time 60 --output /dev/null --write-out '%{http_code}' https://localhost"
)
# A profile as one has who has served files with nginx until now.
PROFILE = """
abi <abi/4.0>,
include <tunables/global>
profile nginx /usr/sbin/nginx {
  include <abstractions/base>
  include <abstractions/nameservice>
  include <abstractions/openssl>
  capability,
  /{etc/nginx,usr,var/www}/** mr,
  /var/l{ib,og}/nginx/** rw,
  /run/nginx.pid rw,
  include if exists <local/usr.sbin.nginx>
}
"""
REFUSED = "! systemctl restart nginx && journalctl -u nginx --lines 20"
FAULTS = {
    "apparmor": f"""
        cat >/etc/apparmor.d/usr.sbin.nginx <<'END'{PROFILE}END
        apparmor_parser --replace /etc/apparmor.d/usr.sbin.nginx
        {REFUSED}""",
    "selinux": f"setenforce 1; {REFUSED}",
}
CONFINED = {"apparmor": "nginx (enforce)", "selinux": "system_u:system_r:httpd_t:s0"}


def rows() -> dict[str, list[str]]:
    """Return the rows of README's section: where one looks, what it says, what to do; by what refuses."""
    section = (
        (ROOT / "systemd/README.md").read_text(encoding="utf-8").partition("\n## AppArmor and SELinux\n")
    )
    found = re.findall(
        r"^\| (\w+) \| `(.*?)` \| `(.*?)` \| `(.*?)` \|$", section[2].partition("\n## ")[0], re.M
    )
    return {name.lower(): rest for name, *rest in found}


def booted(server: Server, security: str) -> list[str]:
    """Boot a copy of a server with a security module, make the fault and cure it; return what is said."""
    where, _, cure = rows()[security]
    commands = ["systemctl is-system-running --wait", f"{CODE}/readyz", FAULTS[security], where, cure]
    commands += [f"{CODE}/readyz", f"{CODE}/static/site.css", "systemctl restart nginx && ps -eo label,comm"]
    answers = [f"{{ {one}\n}} 2>&1 | cat; printf '\\36%s\\35' ${{PIPESTATUS[0]}}" for one in commands]
    script = "\n".join(["stty -F /dev/ttyS1 raw", *answers])
    # Who writes labels needs a right.
    emulator = ["docker", "run", "--rm", "--name", f"test-emulator-{security}", "--interactive"]
    emulator += ["--network", "none", "--cap-add", "SYS_ADMIN", "test-emulator"]
    copied = subprocess.Popen(["docker", "export", f"{server.container.id}"], stdout=subprocess.PIPE)
    with copied:
        ran = subprocess.run(
            [*emulator, "bash", "-c", BOOT, f"security={security} {security}=1", script],
            stdin=copied.stdout, capture_output=True, text=True, check=False,
        )  # fmt: skip
    *found, rest = ran.stdout.split("\35")
    assert len(found) == len(commands), (found, rest, ran.stderr)
    texts, _, statuses = zip(*(one.rpartition("\36") for one in found), strict=True)
    assert {*statuses} == {"0"}, found
    return [*texts]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run the commands of nginx's README on a fresh server, boot it with each; return what is said there."""
    build = ["docker", "build", "--quiet", "--tag", "test-emulator", "-"]
    subprocess.run(build, input=EMULATOR, check=True, capture_output=True, text=True)
    with as_readme_says("nginx", tmp_path_factory.mktemp("checkout"), prepared=True) as server:
        server.run(f"apt-get install -y --no-install-recommends {PACKAGES}")
        server.run("sed -i s/SELINUX=.*/SELINUX=permissive/ /etc/selinux/config")
        server.run(f"cat >/etc/systemd/system/commands.service <<'END'\n{UNIT}END\nsystemctl enable commands")
        with ThreadPoolExecutor() as pool:
            return dict(zip(FAULTS, pool.map(partial(booted, server), FAULTS), strict=True))


@pytest.mark.parametrize("security", FAULTS)
def test_denial_is_told_as_readme_says_and_cured(said: dict[str, list[str]], security: str) -> None:
    started, before, refused, told, _, after, static, processes = said[security]
    assert (started, before) == ("running\n", "200")
    assert "Permission denied" in refused
    assert rows()[security][1] in told
    assert (after, static) == ("200", "200")
    labels = {line.removesuffix("nginx").strip() for line in processes.splitlines() if line.endswith("nginx")}
    assert labels == {CONFINED[security]}


def test_each_is_in_readme() -> None:
    assert rows().keys() == FAULTS.keys()
