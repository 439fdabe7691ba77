"""The tool that takes configuration lines away tells what is missed from what is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.profiles import FRONT_ENDS, ROOT
from tests.prove_config import (
    REPORTS,
    Directive,
    Proof,
    all_directives,
    directives,
    in_table,
    last_report,
    without,
    write_report,
)

pytestmark = pytest.mark.xdist_group("prove")

SAMPLES = {
    "nginx": (
        """\
# ---- Log ----
map $a $b {
    default 1;  # why
}
log_format json
    '{"a": "$a"}'
    '{"b": "$b"}';
location = /x { return 404; }
""",
        ["default 1;", """log_format json '{"a": "$a"}' '{"b": "$b"}';""", "location = /x { return 404; }"],
    ),
    "apache": (
        """\
<VirtualHost *:80>
    # ---- Log ----
    WSGIDaemonProcess app \\
        threads=4 \\
        home=/srv
    ServerSignature Off
</VirtualHost>
""",
        ["WSGIDaemonProcess app threads=4 home=/srv", "threads=4", "home=/srv", "ServerSignature Off"],
    ),
    "lighttpd": (
        """\
# ---- Log ----
$HTTP["url"] !~ "^/static/" {
    fastcgi.server = (
        "/" => ((
            "socket" => "/run/app.sock",
            "disable-time" => 0,
        ))
    )
}
server.tag = "lighttpd"
""",
        ['"socket" => "/run/app.sock",', '"disable-time" => 0,', 'server.tag = "lighttpd"'],
    ),
}


@pytest.mark.parametrize("server", SAMPLES)
def test_each_directive_can_be_taken_away(server: str) -> None:
    text, expected = SAMPLES[server]
    found = list(directives(Path("x.conf"), text, server))
    assert [directive.text for directive in found] == expected
    assert {directive.section for directive in found} == {"Log"}
    for directive in found:
        rest = without(text, directive)
        assert directive.text not in " ".join(rest.replace("\\", "").split())
        assert len(rest.splitlines()) == len(text.splitlines()) - (directive.last - directive.first + 1)


def test_option_taken_away_from_the_end_ends_the_directive_before_it() -> None:
    text, _ = SAMPLES["apache"]
    last = next(
        directive for directive in directives(Path("x.conf"), text, "apache") if directive.text == "home=/srv"
    )
    assert "threads=4\n    ServerSignature Off" in without(text, last)


@pytest.mark.parametrize("front", FRONT_ENDS)
def test_every_configuration_has_directives(front: str) -> None:
    for file in (ROOT / front).rglob("*app*.conf"):
        assert len(list(directives(file, file.read_text(encoding="utf-8"), front))) > 10


def test_report_names_the_test_to_try_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.prove_config.REPORTS", tmp_path)
    noticed, missed = (Directive(Path("nginx/x.conf"), "Log", n, n, f"line | {n};") for n in range(2))
    assert (
        write_report(
            "nginx",
            {noticed: "tests/stack/test_logs.py::test_V1_keys", missed: None},
            {"line ¦ 1;": "a reason"},
        )
        == 0.5
    )
    key = ("nginx/x.conf", "line ¦ 0;")
    assert last_report("nginx") == {key: ["tests/stack/test_logs.py::test_V1_keys"]}
    assert "**nothing**: a reason" in (tmp_path / "nginx.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("report", sorted(REPORTS.glob("*.md")), ids=lambda report: report.stem)
def test_report_is_of_the_directives_of_today(report: Path) -> None:
    """In their order: who changes a line runs the tool again."""
    text = report.read_text(encoding="utf-8")
    assert "**nothing**: ?" not in text
    listed = re.findall(r"^\| `(.+)` \| ", text, re.M)
    assert listed == [in_table(directive.text) for directive in all_directives(report.stem)]


@pytest.fixture
def proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proof]:
    monkeypatch.setenv("TAG", "prove-test")
    proof = Proof("nginx", tmp_path)
    yield proof
    proof.remove()


def test_what_is_missed_is_told_from_what_is_noticed(proof: Proof, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Path("nginx/sites-available/app.conf")
    file = proof.stack.folder / site
    sound = file.read_text(encoding="utf-8")
    file.write_text(sound + "map $host $needed_by_nobody {\n    default planted;\n}\n", encoding="utf-8")
    text = file.read_text(encoding="utf-8")
    contract = [str(proof.stack.folder / "tests/contract/test_guide_request.py")]
    monkeypatch.setattr(Proof, "plan", lambda *_: iter([contract]))

    def verdict(beginning: str) -> str | None:
        (directive,) = [d for d in directives(site, text, "nginx") if d.text.startswith(beginning)]
        return proof.try_without(directive, None)

    assert verdict("default planted;") is None
    assert verdict("server unix:") == "the server's own check"
    noticed = verdict("proxy_set_header Host")
    assert noticed
    assert noticed.startswith("tests/contract/test_guide_request.py::test_")
    assert file.read_text(encoding="utf-8") == text
