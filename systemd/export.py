"""`make export PROFILE=nginx SERVER_NAME=www.example.org DEST=folder`: what a Debian server needs.

DEST gets the files of systemd/files.csv at their final paths, the names in the marked block and nothing else
changed; CHECKSUMS of all (`sha256sum --check`); and COMMANDS, the lines of the front end's README without
those that copy. Standard library alone: it runs where nothing is set up.
"""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ROOT / "systemd/files.csv"
# RFC 1123, 2.1: labels of letters, digits and inner hyphens.
NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


def nginx_names(those: Sequence[str]) -> str:
    """Return a site's names as nginx's map has them."""
    return "".join(f"    {name} 1;\n" for name in those)


def lighttpd_names(those: Sequence[str]) -> str:
    """Return a site's names as lighttpd's regular expression."""
    return f'var.names = "{"|".join(map(re.escape, those))}"\n'


def apache_names(those: Sequence[str]) -> str:
    """Return a site's names as Apache's file defines them: one, and the others."""
    first, *others = those
    return (
        f"Define APP_NAME    {first}\n# Its other names, with spaces between them, all in quotation marks.\n"
        f'Define APP_ALIASES "{" ".join(others or those)}"\n'
    )


# Where a site file has its names, and how it writes others; by what its folder begins with.
BLOCKS: dict[str, tuple[str, Callable[[Sequence[str]], str]]] = {
    "apache": (apache_names(["localhost"]).replace('"', ""), apache_names),
    "nginx": ("    localhost 1;\n", nginx_names),
    "lighttpd": ('var.names = "localhost"\n', lighttpd_names),
}


class RefusedError(Exception):
    """What was asked cannot be done; its text is one sentence with the next step."""


def files(profile: str) -> dict[str, Path]:
    """Return what a profile needs: a file or folder of the repository, and its path on the server."""
    with FILES.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    found = {row["file"]: Path(row["path"]) for row in rows if row["profile"] == profile}
    if not found:
        known = " ".join(dict.fromkeys(row["profile"] for row in rows))
        raise RefusedError(f"there is no export of {profile!r}. Choose one of: {known}.")
    return found


def names(text: str) -> list[str]:
    """Read the site's names, separated by commas."""
    found = [name.strip().lower() for name in text.split(",")]
    for name in found:
        if not NAME.fullmatch(name):
            raise RefusedError(
                f"{name!r} is no host name: say SERVER_NAME=www.example.org, or several with commas between."
            )
    return found


def filled(file: str, text: str, those: Sequence[str]) -> str:
    """Return a site file's text with the names in its marked block."""
    if not file.endswith("app.conf") or "-available/" not in file:
        return text
    line, written = BLOCKS[file.partition("/")[0].partition("-")[0]]
    block, end, rest = text.partition("# ==== End of the block ====")
    if block.count(line) != 1:
        raise RefusedError(
            f"{file} does not have the line {line.strip()!r} in its marked block: it was edited."
        )
    return block.replace(line, written(those)) + end + rest


def commands(profile: str) -> list[str]:
    """Return the lines of the section Copy of the front end's README; one copies all, in place of each."""
    with (ROOT / "profiles.csv").open(encoding="utf-8", newline="") as table:
        (folder,) = (row["front end"] for row in csv.DictReader(table) if row["profile"] == profile)
    section = (ROOT / folder / "README.md").read_text(encoding="utf-8").split("\n## Copy\n")[1]
    found = re.search(r"^```sh\n(.*?)^```", section, re.M | re.S)
    if not found:
        raise RefusedError(f"{folder}/README.md has no commands in its section Copy: 'git status' tells why.")
    lines = [
        " && ".join(part for part in line.split(" && ") if not part.startswith("cp "))
        for line in found[1].splitlines()
    ]
    first, *others = filter(None, lines)
    return [first, "cp -r etc srv /", *others]


def asked(profile: str, server_name: str, dest: str) -> tuple[dict[str, Path], list[str], Path]:
    """Return the files, the names, and the folder: that is named, and not there yet."""
    those, wanted = names(server_name), files(profile)
    if not dest:
        raise RefusedError("where to? Say DEST=folder, which is not there yet.")
    if Path(dest).exists():
        raise RefusedError(f"{dest} is there already: name a folder that is not, or remove it first.")
    return wanted, those, Path(dest)


def export(profile: str, wanted: dict[str, Path], those: Sequence[str], dest: Path) -> None:
    """Write all of it to `dest`; it comes to be as a whole, or not at all."""
    for file in wanted:
        if not (ROOT / file).exists():
            raise RefusedError(
                f"{file} is not there: 'make static' makes it, 'git status' tells what else is gone."
            )
    dest.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=dest.parent, prefix=".export-") as scratch:
        tree = Path(scratch) / "tree"
        for file, path in wanted.items():
            to = tree / path.relative_to("/")
            to.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / file).is_dir():
                shutil.copytree(ROOT / file, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                text = (ROOT / file).read_text(encoding="utf-8")
                to.write_text(filled(file, text, those), encoding="utf-8")
        (tree / "COMMANDS").write_text("\n".join(commands(profile)) + "\n", encoding="utf-8")
        sums = [
            f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(tree)}\n"
            for file in sorted(tree.rglob("*"))
            if file.is_file()
        ]
        (tree / "CHECKSUMS").write_text("".join(sums), encoding="utf-8")
        tree.rename(dest)


def main(given: Sequence[str]) -> int:
    """Run the command line: profile, names, folder; after --check, nothing is written."""
    profile, server_name, dest = given[-3:]
    try:
        wanted, those, folder = asked(profile, server_name, dest)
        if given[0] == "--check":
            return 0
        export(profile, wanted, those, folder)
    except (RefusedError, OSError) as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    print(f"{dest} has what the server needs. Copy it there with your fullchain.pem and privkey.pem")
    print("in it, and run the lines of COMMANDS as root, in it.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
