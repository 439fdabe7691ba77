"""The certificate of this machine: made once, renewed in time, of no use elsewhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.profiles import ROOT
from tests.stacks import Stack, copy_of_repository

pytestmark = pytest.mark.xdist_group("host")

DAY = 86_400
# Signs a certificate of another site with the authority's key, as a thief of it would.
FORGE = """
    cd /tmp
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=example.org \
        -CA /certs/ca.pem -CAkey /certs/ca-key.pem -addext subjectAltName=DNS:example.org -keyout key \
        -out other
    openssl verify -CAfile /certs/ca.pem other
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_of_repository(tmp_path)


def make(folder: Path) -> None:
    subprocess.run([folder / "docker/certs.sh"], check=True, capture_output=True, timeout=120)


def openssl(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script where openssl is, with the checkout's certificates."""
    mount = ["--volume", f"{folder}/certs:/certs:z"]
    command = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "--user",
        "0",
        *mount,
        Stack.image_name("migrate"),
    ]
    return subprocess.run([*command, "sh", "-euc", script], capture_output=True, text=True, check=False)


def age(file: Path, days: int) -> None:
    made = file.stat().st_mtime - days * DAY
    os.utime(file, (made, made))


def test_R2_keys_are_nobody_elses(folder: Path) -> None:
    make(folder)
    site = folder / "certs/site"
    for key in (site / "privkey.pem", folder / "certs/ca-key.pem"):
        assert key.stat().st_mode & 0o777 == 0o600, key
    assert site.joinpath("privkey.pem").stat().st_uid == 10001
    assert sorted(file.name for file in site.iterdir()) == ["fullchain.pem", "privkey.pem"]
    ignored = ["git", "check-ignore", "certs/ca-key.pem", "certs/site/privkey.pem"]
    assert subprocess.run(ignored, cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_R2_certificate_is_of_this_machines_names_and_its_key_matches(folder: Path) -> None:
    make(folder)
    done = openssl(
        folder,
        """cd /certs/site
        for name in "-verify_hostname localhost" "-verify_ip 127.0.0.1" "-verify_ip ::1"; do
            openssl verify -CAfile ../ca.pem $name -purpose sslserver fullchain.pem
        done
        [ "$(openssl x509 -in fullchain.pem -noout -pubkey)" = "$(openssl pkey -in privkey.pem -pubout)" ]""",
    )
    assert done.returncode == 0, done.stderr


def test_R2_authority_can_vouch_for_no_other_site(folder: Path) -> None:
    make(folder)
    done = openssl(folder, FORGE)
    assert done.returncode != 0
    assert "permitted subtree violation" in done.stderr


def test_R2_certificate_is_renewed_in_time_by_the_same_authority(folder: Path) -> None:
    make(folder)
    certificate, authority = folder / "certs/site/fullchain.pem", folder / "certs/ca.pem"
    first, signer = certificate.read_bytes(), authority.read_bytes()
    age(certificate, 299)
    make(folder)
    assert certificate.read_bytes() == first
    age(certificate, 2)
    make(folder)
    assert certificate.read_bytes() != first
    assert authority.read_bytes() == signer


def test_R2_certificate_of_ones_own_is_left_alone(folder: Path) -> None:
    """Whoever brings a certificate renews it, too."""
    make(folder)
    site = folder / "certs/site"
    own = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=own"
    assert openssl(folder, f"cd /certs/site; {own} -keyout privkey.pem -out fullchain.pem").returncode == 0
    before = {file.name: file.read_bytes() for file in site.iterdir()}
    age(site / "fullchain.pem", 400)
    make(folder)
    assert {file.name: file.read_bytes() for file in site.iterdir()} == before


def test_R2_two_that_start_at_once_agree(folder: Path) -> None:
    both = [subprocess.Popen([folder / "docker/certs.sh"], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    done = openssl(
        folder,
        """cd /certs/site
        openssl verify -CAfile ../ca.pem fullchain.pem
        [ "$(openssl x509 -in fullchain.pem -noout -pubkey)" = "$(openssl pkey -in privkey.pem -pubout)" ]""",
    )
    assert done.returncode == 0, done.stderr
