"""Issue 5, lines 1, 2 and 8: what is measured; wrong answers are told; nothing is left behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import docker
from bench import __main__ as bench_command
from bench import check, curves, figures, load, report, settings
from bench import run as bench_module
from bench.cases import CASE, CASES, Case
from bench.run import PLAIN, BenchStack, Settings, errors_of, measure, starts, ways
from bench.run import run as bench_run
from bench.summary import summary
from tests.profiles import PROFILES, ROOT
from tests.stacks import free_port, until

pytestmark = pytest.mark.xdist_group("bench")


@pytest.fixture(scope="module", autouse=True)
def load_image() -> None:
    load.build()


@contextmanager
def server(status: int, body: bytes) -> Iterator[str]:
    """Answer every request alike; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}/"
        finally:
            listening.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "kinds"),
    [(200, b"it is right", set()), (200, b"it is not", {"wrong"}), (500, b"it is right", {"status"})],
)
def test_wrk_counts_what_is_wrong(status: int, body: bytes, kinds: set[str]) -> None:
    with server(status, body) as url:
        found = load.wrk(url, "host", connections=2, seconds=1, text="right")
    assert found.requests > 0
    assert found.errors == dict.fromkeys(kinds, found.requests)
    assert 0 < found.latency["1"] <= found.latency["50"] <= found.latency["99"] <= found.latency["100"]


def test_without_a_server_there_are_no_figures() -> None:
    with pytest.raises(load.NoFiguresError, match="refused"):
        load.wrk(f"http://127.0.0.1:{free_port()}/", "host", connections=2, seconds=1)


SAID = """
finished in 1.00s, 8.00 req/s, 1.00KB/s
requests: {done} total, {done} started, {done} done, {ok} succeeded, {failed} failed, {errored} errored, \
{timeout} timeout
status codes: {ok} 2xx, 0 3xx, 0 4xx, {failed} 5xx
traffic: 1.00KB (1024) total, 800B (800) headers (space savings 10.00%), 110B ({data}) data
"""


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({}, {}),
        ({"ok": 9, "failed": 1}, {"status": 1, "failed": 1}),
        ({"errored": 2}, {"failed": 2}),
        ({"timeout": 3}, {"timeout": 3}),
        ({"data": 88}, {"wrong": 2}),
        ({"ok": 12, "data": 132}, {}),
    ],
)
def test_what_h2load_says_is_understood(change: dict[str, int], errors: dict[str, int]) -> None:
    said = SAID.format(
        **{"done": 10, "ok": 10, "failed": 0, "errored": 0, "timeout": 0, "data": 110} | change
    )
    log = "".join(f"200\t{1000 * number}\n" for number in range(1, 11))
    found = load.of_h2load(said, log, seconds=1, length=11)
    assert (found.requests, found.errors, found.latency["100"]) == (10, errors, 10.0)
    assert found.latency["50"] == pytest.approx(5.5)


def test_bytes_and_rows_that_are_missing_are_errors() -> None:
    found = load.Load(requests=10, seconds=1, bytes=1500, errors={}, latency={})
    assert errors_of(found, length=100) == {}
    assert errors_of(found, length=200) == {"wrong": 3}
    assert errors_of(found, kept=12) == {}
    assert errors_of(load.Load(requests=0, seconds=1, bytes=0, errors={}, latency={})) == {"unanswered": 1}
    assert errors_of(found, kept=7) == {"lost": 3}


def run_of(*profiles: str, complete: bool = True) -> dict[str, Any]:
    """Return what a run of three rounds finds; the second has the most requests."""
    rows = [
        {"profile": profile, "case": case.name, "way": way, "requests": requests, "seconds": 2, "cpu": 1,
         "machine_cpu": 2, "latency": dict.fromkeys(load.PERCENTILES, requests / 10), "calibration": 0.1,
         "errors": {}}
        for profile in profiles for case in CASES for way in ways(profile, case)
        for requests in (100, 400, 200)
    ]  # fmt: skip
    about = {"date": "2026-11-26", "processor": "a processor", "cores": 2, "kernel": "6.1"}
    taken = dict.fromkeys(report.OF_A_PROFILE, 12.5)
    return {
        "complete": complete, "about": about, "command": "make bench", "rounds": 3, "seconds": 2,
        "rows": rows, "versions": {"nginx": "1.26.3"}, "profiles": dict.fromkeys(profiles, taken),
    }  # fmt: skip


def test_medians_of_all_rounds_are_told_with_their_spread() -> None:
    got = summary(run_of("nginx"), "nginx", "page")
    assert got
    assert (got["rate"], got["spread"], got["cpu"], got["p99"]) == (100, 0.75, 5, 20)
    assert summary(run_of("nginx"), "nginx", "list", "published") is None


def test_page_of_a_run_has_all_of_it_and_loads_nothing(tmp_path: Path) -> None:
    report.html(run_of("nginx", "dev"), tmp_path / "bench.html")
    page = (tmp_path / "bench.html").read_text()
    assert page.count("<svg") == len(report.drawn(run_of("nginx", "dev"))) == 4
    for told in ("nginx 1.26.3", "a processor", "make bench", ">100 ± 75%<", ">5.00<", ">20.0<", ">12.5<"):
        assert told in page, told
    assert not re.findall(r"""(?:src|href)=["'](?!#)|@import|url\((?!#)""", page)
    assert "Interrupted" not in page


def test_page_of_a_run_tells_what_is_reached_of_the_limits() -> None:
    run = run_of("nginx")
    for row in run["rows"]:
        row |= (
            {"cpu": 0.25} if row["case"] == "flask" else {"requests": 1000} if row["case"] == "bare" else {}
        )
        row |= {"requests": 500} if row["way"] == "alone" else {}
    said = report.markdown(run)
    flask, bare = "100%; 4.0 times the processor time", "20%; 5.0 times the processor time"
    flask_of_bare, alone = "20%; 1.2 times the processor time", "40%; 2.5 times the processor time"
    assert f"| `nginx` | {flask} | {bare} | {flask_of_bare} | {alone} |" in said


def test_application_server_that_speaks_http_is_asked_alone_too() -> None:
    page = {profile: ways(profile, CASE["page"]) for profile in (*PROFILES, *PLAIN)}
    asked = {profile for profile, found in page.items() if "alone" in found}
    by_http = {p.name for p in PROFILES.values() if p.front_end != "none" and p.transport.startswith("HTTP")}
    assert asked == by_http
    assert ways("nginx", CASE["list"]) == ["inside"]


def test_page_of_an_interrupted_run_says_so() -> None:
    assert "Interrupted" in report.markdown(run_of("nginx", complete=False))
    assert "Interrupted" not in report.markdown(run_of("nginx"))


def test_case_without_an_answer_has_no_figures() -> None:
    run = run_of("nginx")
    for row in run["rows"]:
        row |= {"requests": 0, "latency": {}} if row["case"] == "page" else {}
    assert summary(run, "nginx", "page") is None
    assert "| `nginx` |  |" in report.markdown(run)


@pytest.mark.parametrize("wrong", [["--rounds", "0"], ["--seconds", "61"], ["--seconds", "x"]])
def test_what_is_no_length_of_a_run_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench_command.main(["nginx", *wrong])
    assert "is no whole number from 1 to 60" in capsys.readouterr().err


def test_same_figures_make_the_same_charts() -> None:
    assert report.drawn(run_of("nginx", "dev")) == report.drawn(run_of("nginx", "dev"))


def test_what_costs_over_15_percent_more_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline, run = run_of("nginx", "dev"), run_of("nginx")
    for row in run["rows"]:
        row["calibration"] *= 2  # a machine half as fast: all takes twice the time
        row["cpu"] *= 2 * {"page": 1.14, "list": 1.16, "static": 0.8}.get(row["case"], 1)
    files = tmp_path / "run.json", tmp_path / "baseline.json"
    for file, found in zip(files, (run, baseline), strict=True):
        file.write_text(json.dumps(found))
    assert check.main([str(files[0]), "--baseline", str(files[1])]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        "nginx, list: +16% processor time per request",
        "nginx, static: -20% processor time per request",
    ]
    assert said[2].startswith(f"1 of {len(CASES)} figures")
    assert check.main([str(files[1]), "--baseline", str(files[1])]) == 0
    assert check.main([str(tmp_path / "none.json"), "--baseline", str(files[1])]) == 1
    assert "make bench" in capsys.readouterr().out


def bench(results: Path, *profiles: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench", *profiles, "--rounds", "1", "--seconds", "1"]
    return subprocess.Popen(
        [*command, "--results", str(results)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def curve_run(tmp_path: Path, **points: tuple[int, ...]) -> dict[str, Any]:
    """Run curves of nginx in one round, at these points alone."""
    chosen = {name: replace(curves.CURVES[name], points=those) for name, those in points.items()}
    return curves.run("nginx", chosen, (1, 1), tmp_path / "curves.json", lambda _: None)


def test_curve_has_more_of_what_it_names_at_each_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int, int, int]] = []
    before = left_behind()  # by a run that was cut off

    def watched(stack: BenchStack, case: Case, *rest: Any) -> dict[str, Any]:
        # Not of the front end's container, too: Docker's health check comes and goes there.
        seen.append((case.name, case.connections, figures.processes([stack.app]), stack.rows()))
        return measure(stack, case, *rest)

    monkeypatch.setattr(curves, "measure", watched)
    found = curve_run(tmp_path, workers=(1,), rows=(10, 60), connections=(3,), uploads=(2,))
    assert seen == [
        ("page", 64, 3, 0),
        ("list", 64, 4, 10),
        ("list", 64, 4, 60),
        ("page", 3, 4, 60),
        ("upload", 2, 4, 60),
    ]
    assert [(row["curve"], row["point"]) for row in found["rows"]] == [
        ("workers", 1), ("rows", 10), ("rows", 60), ("connections", 3), ("uploads", 2)
    ]  # fmt: skip
    assert all(row["errors"] == {} for row in found["rows"])
    assert found["complete"]
    assert found == json.loads((tmp_path / "curves.json").read_text())
    assert left_behind() == before


def curves_of(profile: str) -> dict[str, Any]:
    """Return what a run of three rounds finds: 1,000 times as much costs twice."""
    rows = [
        {"curve": "rows", "point": point, "requests": requests, "seconds": 2, "cpu": cpu, "errors": {},
         "latency": dict.fromkeys(load.PERCENTILES, 1.5)}
        for point, cpu in ((100, 1), (100_000, 2)) for requests in (1000, 4000, 2000)
    ]  # fmt: skip
    rows.append({**rows[-1], "point": 200_000, "errors": {"status": 3}})
    return {"profile": profile, "command": "make bench-curves", "complete": True, "rows": rows}


def test_curve_is_told_by_its_medians() -> None:
    assert curves.lines(curves_of("nginx"), "rows")[1:] == [
        ["100", "1,000", "0.50", "1.5", "1.5"],
        ["100,000", "1,000", "1.00", "1.5", "1.5"],
    ]
    assert "100,000" in curves.drawn(curves_of("nginx"))["rows"]


@pytest.mark.parametrize("kind", ["measured", "curves", "settings"])
def test_figures_stand_between_the_marks_of_a_page(tmp_path: Path, kind: str) -> None:
    page, results = tmp_path / "benchmarks.md", tmp_path / "run.json"
    if kind == "measured":
        found = run_of("nginx")
        words, charts = report.markdown(found), report.drawn(found)
    elif kind == "curves":
        found = curves_of("nginx")
        words, charts = report.curves_markdown(found), curves.drawn(found)
    else:
        found = settings_of(settings.settings("apache")[0])
        words, charts = report.settings_markdown(found), {}
    start, end = report.marks(kind)
    page.write_text(f"before\n{start}stale figures\n{end}after\n")
    results.write_text(json.dumps(found))
    report.publish(results, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert words in text
    assert "stale figures" not in text
    report.publish(results, page)
    assert page.read_text() == text
    assert {file.stem for file in (tmp_path / "benchmarks").iterdir()} == charts.keys()


@pytest.mark.parametrize(
    "setting", settings.settings(), ids=lambda one: f"{one.profile}-{one.case}-{one.name}"
)
def test_setting_stands_in_its_file_once(setting: settings.Setting) -> None:
    text = (ROOT / setting.file).read_text()
    assert text.count(setting.ours) == 1
    assert setting.text("ours") == text != setting.text("other")
    assert setting.verdict.partition(":")[0] in {"stays", "not taken"}
    assert setting.case in CASE


def settings_of(setting: settings.Setting) -> dict[str, Any]:
    """Return what a run of three rounds finds; `other` costs twice of ours."""
    row = {
        "profile": setting.profile,
        "case": setting.case,
        "setting": setting.name,
        "seconds": 1,
        "errors": {},
    }
    rows = [
        row | {"as": way, "requests": 1000 + number, "cpu": cost, "latency": {"99": 10.0 * cost}}
        for number in range(3)
        for way, cost in (("ours", 1.0), ("other", 2.0))
    ]
    return {"settings": [asdict(setting)], "rows": rows, "command": "make bench-settings"}


def test_table_of_settings_tells_without_and_with_each() -> None:
    one = settings.settings("nginx")[0]
    stays, tried = replace(one, verdict="stays"), replace(one, verdict="not taken: why")
    for setting, cost, change, late in (
        (stays, "1.998 → 0.999", "-50%", "20.0 → 10.0"),
        (tried, "0.999 → 1.998", "+100%", "10.0 → 20.0"),
    ):
        (row,) = settings.lines(settings_of(setting))[1:]
        assert row[3:] == [cost, change, "1,001 → 1,001", late, setting.verdict]
    found = settings_of(stays)
    found["rows"][1]["errors"] = {"wrong": 1}
    assert settings.lines(found)[1][5] == "1,002 → 1,001", "what was wrong does not count"
    found["rows"] = [row for row in found["rows"] if row["as"] == "ours"]
    assert settings.lines(found)[1:] == []


def test_setting_is_measured_with_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what nginx itself reads in the moment of the measurement; nothing is left behind."""
    before, seen = left_behind(), []

    def watched(stack: BenchStack, case: Case, *others: Any) -> dict[str, Any]:
        seen.append("pcre_jit on;" in stack.execute(stack.front, "nginx", "-T"))
        return measure(stack, case, *others)

    monkeypatch.setattr(settings, "measure", watched)
    chosen = [one for one in settings.settings("nginx") if one.ours == "pcre_jit on;"]
    found = settings.run(chosen, 2, 1, tmp_path / "settings.json", lambda _: None)
    assert found == json.loads((tmp_path / "settings.json").read_text())
    assert seen == [row["as"] == "ours" for row in found["rows"]] == [False, True, True, False]
    assert found["complete"]
    assert len(settings.lines(found)) == 2
    assert left_behind() == before


def test_only_gunicorn_is_asked_with_more_processes() -> None:
    assert set(curves.meant("nginx")) == set(curves.CURVES)
    assert set(curves.CURVES) - set(curves.meant("waitress")) == {"workers"}


def left_behind() -> set[str]:
    engine = docker.from_env()
    containers = [
        *engine.containers.list(all=True, filters={"label": "bench"}),
        *engine.containers.list(all=True, filters={"name": "bench-"}),
    ]
    volumes = engine.volumes.list(filters={"name": "bench-"})
    return {str(container.name) for container in containers} | {str(volume.id) for volume in volumes}


def test_case_is_measured_in_each_way_that_it_has(tmp_path: Path) -> None:
    """One of each kind; CI has all of nginx's measured."""
    results, before = tmp_path / "bench.json", left_behind()
    cases = tuple(CASE[name] for name in ("page", "insert", "tls", "http-2", "upload"))
    found = bench_run(["nginx"], Settings(1, 1, cases), results, lambda _: None)
    assert left_behind() == before
    assert found == json.loads(results.read_text())
    assert found["complete"]
    wanted = {(case.name, way) for case in cases for way in ways("nginx", case)}
    assert {(row["case"], row["way"]) for row in found["rows"]} == wanted
    for row in found["rows"]:
        assert row["requests"] > 0
        assert row["errors"] == {}
        assert min(row["cpu"], row["machine_cpu"], row["calibration"], row["latency"]["99"]) > 0
    assert {"processor", "cores", "kernel", "date"} <= found["about"].keys()
    assert all(figure > 0 for figure in found["profiles"]["nginx"].values())
    assert found["profiles"]["nginx"]["processes"] == 8  # init and supervisors, 2 of nginx's, 2 of Gunicorn's
    assert {"nginx", "gunicorn", "flask"} <= found["versions"].keys()


def test_plain_configurations_are_measured_with_the_same_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes rows before it is measured; how long a start takes is measured of one of them here."""

    def starts_of_one(stack: BenchStack) -> dict[str, float]:
        return starts(stack) if stack.title == "plain-nginx" else {}

    monkeypatch.setattr(bench_module, "starts", starts_of_one)
    cases = tuple(CASE[name] for name in ("page", "static", "tls"))
    found = bench_run([*PLAIN], Settings(1, 1, cases), tmp_path / "bench.json", lambda _: None)
    measured = {(row["profile"], row["case"]) for row in found["rows"] if row["way"] == "inside"}
    assert measured == {(name, case) for name in PLAIN for case in ("page", "static")}
    assert all(row["errors"] == {} for row in found["rows"])
    assert all("reload" not in taken and taken["pss_load"] > 0 for taken in found["profiles"].values())


@pytest.mark.parametrize(("named", "meant"), [([], [*PROFILES, *PLAIN]), (["dev"], ["dev"])])
def test_all_are_measured_unless_some_are_named(
    named: list[str], meant: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(bench_command, "steps", lambda profiles, _: asked.append(profiles))
    monkeypatch.setattr(bench_command, "followed", lambda *_: 7)
    assert bench_command.main(named) == 7
    assert asked == [meant]


def test_page_of_a_run_tells_what_is_gained_over_plain_configurations() -> None:
    run = run_of("nginx", "plain-nginx", "plain-uwsgi")
    for row in run["rows"]:
        row["requests"] *= {"plain-uwsgi": 2, "plain-nginx": 4}.get(row["profile"], 1)
    half, quarter = "50%; 2.0 times the processor time", "25%; 4.0 times the processor time"
    assert f"| `nginx` | {half} | {half} | {quarter} | {quarter} | {quarter} |" in report.markdown(run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_its_figures_and_nothing_else(
    tmp_path: Path, number: signal.Signals
) -> None:
    results, before = tmp_path / "bench.json", left_behind()
    running = bench(results, "dev")
    try:
        until(lambda: results.exists() and json.loads(results.read_text())["rows"], "the first figures", 200)
    finally:
        running.send_signal(number)
        said, _ = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert "Interrupted" in said
    assert str(results) in said.replace("\n", "")
    found = json.loads(results.read_text())
    assert not found["complete"]
    assert found["rows"]
    assert left_behind() == before
