"""Issue 6, 5: `make export` writes what a server needs, and changes nothing but the names.

That a server runs with what it writes: test_debian.py.
"""

from __future__ import annotations

import csv
import difflib
import subprocess
from pathlib import Path

import pytest

from tests.profiles import PROFILES, ROOT, sibling
from tests.stacks import copy_of_repository

with (ROOT / "systemd/files.csv").open(encoding="utf-8", newline="") as table:
    FILES = list(csv.DictReader(table))
EXPORTED = list(dict.fromkeys(row["profile"] for row in FILES))
NAMES = "www.example.org,Example.org"
SITES = {
    "apache": (
        ["Define APP_NAME    localhost", "Define APP_ALIASES localhost"],
        ["Define APP_NAME    www.example.org", 'Define APP_ALIASES "example.org"'],
    ),
    "nginx": (
        ["    localhost 1;"],
        ["    www.example.org 1;", "    example.org 1;"],
    ),
    "lighttpd": (
        ['var.names = "localhost"'],
        [r'var.names = "www\.example\.org|example\.org"'],
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a checkout with a static file."""
    made = copy_of_repository(tmp_path / "flask")
    (made / "static").mkdir()
    (made / "static/site.css").write_text("body {}")
    return made


def export(folder: Path, profile: str, names: str, dest: Path | str) -> subprocess.CompletedProcess[str]:
    command = ["python3", "systemd/export.py", profile, names, str(dest)]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def refused(done: subprocess.CompletedProcess[str], *sentences: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    (said,) = done.stderr.splitlines()
    assert said.startswith("error: ")
    for sentence in sentences:
        assert sentence in said


@pytest.mark.parametrize("exported", EXPORTED)
def test_nothing_but_the_names_is_changed(folder: Path, tmp_path: Path, exported: str) -> None:
    dest = tmp_path / "some/server"
    assert export(folder, exported, NAMES, dest).returncode == 0
    rows = [row for row in FILES if row["profile"] == exported]
    pairs = [
        (file, dest / row["path"].lstrip("/") / file.relative_to(folder / row["file"]))
        for row in rows
        for file in (
            [folder / row["file"]] if (folder / row["file"]).is_file() else (folder / row["file"]).rglob("*")
        )
        if file.is_file() and "__pycache__" not in file.parts
    ]
    changed = []
    for file, copy in pairs:
        if file.read_bytes() != copy.read_bytes():
            changed.append(str(file.relative_to(folder)))
            lines = list(difflib.ndiff(file.read_text().splitlines(), copy.read_text().splitlines()))
            found = tuple([line[2:] for line in lines if line.startswith(kind)] for kind in ("- ", "+ "))
            assert found == SITES[sibling(PROFILES[exported].front)]
    assert len(changed) == 1
    others = {dest / "CHECKSUMS", dest / "COMMANDS"}
    assert {file for file in dest.rglob("*") if file.is_file()} == {copy for _, copy in pairs} | others


def test_checksums_are_of_all_files(folder: Path, tmp_path: Path) -> None:
    dest = tmp_path / "server"
    export(folder, "nginx", NAMES, dest)

    def check() -> int:
        command = ["sha256sum", "--check", "--strict", "--quiet", "CHECKSUMS"]
        return subprocess.run(command, cwd=dest, check=False, capture_output=True).returncode

    assert check() == 0
    listed = {line.split("  ", 1)[1] for line in (dest / "CHECKSUMS").read_text().splitlines()}
    there = {str(file.relative_to(dest)) for file in dest.rglob("*") if file.is_file()}
    assert there - listed == {"CHECKSUMS"}
    with (dest / "etc/nginx/nginx.conf").open("a") as file:
        file.write("# changed\n")
    assert check() == 1


@pytest.mark.parametrize("exported", EXPORTED)
def test_commands_copy_once_and_are_else_those_of_the_readme(
    folder: Path, tmp_path: Path, exported: str
) -> None:
    export(folder, exported, NAMES, tmp_path / "server")
    lines = (tmp_path / "server/COMMANDS").read_text().splitlines()
    readme = (folder / PROFILES[exported].front / "README.md").read_text()
    assert [line for line in lines if "cp " in line] == ["cp -r etc srv /"]
    assert all(line in readme for line in lines if line != "cp -r etc srv /" and " && " not in line)
    assert len(lines) <= 12


def test_what_is_there_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    dest = tmp_path / "server"
    dest.mkdir()
    refused(export(folder, "nginx", NAMES, dest), "is there already", "remove it first")
    assert list(dest.iterdir()) == []


@pytest.mark.parametrize(
    "names", ["", "a b", "-x.org", "x-.org", "exa_mple.org", "*.example.org", "a..b", "a.", f"{'x' * 64}.org",
              "www.example.org,", "x;y", "http://x.org"],
)  # fmt: skip
def test_what_is_no_host_name_is_refused(folder: Path, tmp_path: Path, names: str) -> None:
    refused(export(folder, "nginx", names, tmp_path / "server"), "is no host name", "SERVER_NAME=")
    assert not (tmp_path / "server").exists()


def test_profile_without_an_export_is_named(folder: Path, tmp_path: Path) -> None:
    refused(export(folder, "dev", NAMES, tmp_path / "server"), "no export of 'dev'", " ".join(EXPORTED))


def test_no_folder_is_asked_for(folder: Path) -> None:
    refused(export(folder, "nginx", NAMES, ""), "DEST=")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("PROFILE=dev", "no export of 'dev'"), ("SERVER_NAME=-", "no host name"), ("DEST=/", "there already")],
)
def test_what_is_refused_is_so_before_anything_is_built(
    folder: Path, tmp_path: Path, wrong: str, says: str
) -> None:
    (folder / "docker/static.sh").write_text("#!/bin/sh\necho built\n")
    asked = [f"SERVER_NAME={NAMES}", f"DEST={tmp_path}/server", wrong]
    command = ["make", "--no-print-directory", "export", "PROFILE=nginx", *asked]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert says in done.stderr.splitlines()[0]


def test_without_static_files_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    (folder / "static/site.css").unlink()
    (folder / "static").rmdir()
    refused(export(folder, "nginx", NAMES, tmp_path / "new/server"), "static is not there", "make static")
    assert not (tmp_path / "new").exists()


def test_block_that_was_edited_is_not_filled(folder: Path, tmp_path: Path) -> None:
    site = folder / "nginx/sites-available/app.conf"
    site.write_text(site.read_text().replace("    localhost 1;\n", "    my.example.org 1;\n"))
    refused(export(folder, "nginx", NAMES, tmp_path / "server"), "it was edited")
    assert list(tmp_path.iterdir()) == [folder]
