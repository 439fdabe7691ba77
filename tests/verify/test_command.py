"""The command: what it says and returns, for sites good and bad and for input that makes no sense."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from junitparser import JUnitXml

from tests.verify.server import FIGURES, Server
from verify.__main__ import main
from verify.report import Report


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reports go to a folder of the test, and slow clients need no 15 s."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("verify.site.Figures", lambda: FIGURES)


@pytest.fixture
def babbler() -> Iterator[Callable[[bytes], int]]:
    """Start listeners that say something to who connects, or nothing and wait; return their ports."""
    listeners = []

    def start(words: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def talk() -> None:
            connection = listener.accept()[0]
            with connection:
                connection.recv(4096)
                connection.sendall(words)
                if not words:
                    connection.recv(4096)

        threading.Thread(target=talk, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


def assert_refused(capsys: pytest.CaptureFixture[str], sentence: str, *arguments: str) -> None:
    assert main([*arguments]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(rf"error: {sentence}\n", said), said


def test_address_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(capsys, r"Which site\? make verify URL=https://my\.example\.org", "")
    assert_refused(capsys, r"“ftp://x” is no address of a site: it begins with .*", "ftp://x")
    assert_refused(capsys, r"“my\.example\.org” is no address .*", "my.example.org")
    assert_refused(capsys, r"“http://x:99999/” is no address of a site: .*", "http://x:99999/")


def test_rows_that_are_none_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(
        capsys, "There is no check of row K1, X9. There are: R2, .*", "http://x", "--only", "r2,x9,K1"
    )
    assert_refused(capsys, "No check is left: .*", "http://x", "--only", "R2", "--skip", "R2")


def test_site_that_cannot_be_reached_is_named(
    capsys: pytest.CaptureFixture[str], babbler: Callable[[bytes], int]
) -> None:
    assert_refused(capsys, r"The name my\.invalid is not known: .*", "https://my.invalid/")
    assert_refused(capsys, r"127\.0\.0\.1, port 9, cannot be reached: .*refused\.", "http://127.0.0.1:9/")
    assert_refused(capsys, r".* gave no answer within 4 s\.", f"http://127.0.0.1:{babbler(b'')}/")


def test_what_is_no_web_server_is_named(
    capsys: pytest.CaptureFixture[str], babbler: Callable[[bytes], int], serve: Callable[..., Server]
) -> None:
    ssh = babbler(b"SSH-2.0-OpenSSH_10.0\r\n")
    assert_refused(capsys, rf"127.0.0.1, port {ssh}, does not speak HTTP: .*", f"http://127.0.0.1:{ssh}/")
    plain = serve(tls=False).url.replace("http:", "https:")
    assert_refused(capsys, r"127.0.0.1, port \d+, does not speak TLS: .*", plain)


def test_certificate_must_be_trusted(
    capsys: pytest.CaptureFixture[str], serve: Callable[..., Server], pair: Path
) -> None:
    url = serve().url
    only = ("--only", "T7")
    untrusted = (
        r"The certificate of .* is not trusted: .*\. --ca FILE trusts .*, --insecure goes on without\."
    )
    assert_refused(capsys, untrusted, url, *only)
    assert_refused(capsys, r"The certificates of /none cannot be read: .*", url, "--ca", "/none", *only)
    assert main([url, "--ca", str(pair), *only]) == 0
    assert main([url, "--insecure", *only]) == 0
    assert "The certificate was not checked (--insecure)" in capsys.readouterr().out


def test_redirect_to_another_host_ends_the_visit(
    capsys: pytest.CaptureFixture[str], serve: Callable[..., Server]
) -> None:
    url = serve(tls=False, believes_forwarded=True).url
    assert main([url + "old", "--only", "T7"]) == 0
    assert f"{url}old redirects (302) to {url}" in capsys.readouterr().out
    away = serve(tls=False, moved="http://elsewhere.example/").url
    assert_refused(capsys, r".* redirects to another host: verify http://elsewhere\.example/ instead\.", away)
    loop = serve(tls=False, moved="/").url
    assert_refused(capsys, r".* answers 302: name a page that anybody may see\.", loop)


def test_page_that_fails_is_named(capsys: pytest.CaptureFixture[str], serve: Callable[..., Server]) -> None:
    assert_refused(capsys, r".* answers 404: name a page .*", serve(tls=False).url + "none")


def test_nothing_checked_is_no_success(
    capsys: pytest.CaptureFixture[str], serve: Callable[..., Server]
) -> None:
    assert_refused(capsys, r"Nothing could be checked: .*", serve(tls=False).url, "--only", "R3")


def test_reports_that_cannot_be_written_are_named(
    capsys: pytest.CaptureFixture[str], serve: Callable[..., Server]
) -> None:
    url = serve(tls=False).url
    assert_refused(
        capsys, r"/dev/null/x cannot be written: .*", url, "--only", "T7", "--results", "/dev/null/x"
    )


def test_failures_say_what_was_seen_why_and_our_line(
    capsys: pytest.CaptureFixture[str], serve: Callable[..., Server]
) -> None:
    server = serve(tls=False, largest=300_000, body_time=9, byte_time=9, server="nginx", any_host=True)
    assert main([server.url, "--only", "L1,R3,R4,T7"]) == 1
    said = capsys.readouterr().out
    assert re.search(
        r"✗ L1 .*\n +seen the body is waited for \(Content-Length: 200001\) +\n +why  Otherwise", said
    )
    assert re.search(r"ours nginx/\S+:\d+ +client_max_body_size 10m;", said)
    assert "[R=413]" not in said
    assert re.search(r"- R3 .*\n +not checked 127\.0\.0\.1 is this machine", said)
    assert re.search(r"7 checks: 4 hold, 2 fail, 1 not checked · \d+ requests in \d+ s", said)
    junit = JUnitXml.fromfile("results/verify.xml")
    assert (junit.tests, junit.failures, junit.skipped) == (7, 2, 1)
    page = Path("results/verify.html").read_text()
    assert "client_max_body_size 10m;" in page
    assert not re.search(r"(src|href|url\()\s*=?\s*[\"']?https?:", page)


def test_what_a_site_says_is_shown_as_text(
    capsys: pytest.CaptureFixture[str], serve: Callable[..., Server]
) -> None:
    """A hostile site writes no markup into the page, and does not steer the terminal."""
    server = serve(tls=False, server="<script>1[/bold]\x1b[31m", request_id="none")
    assert main([server.url, "--only", "H2,T4"]) == 1
    assert "[/bold]\ufffd[31m" in capsys.readouterr().out
    assert "<script>" not in Path("results/verify.html").read_text()
    assert JUnitXml.fromfile("results/verify.xml").failures == 4


def test_unknown_server_gets_the_lines_of_all_three(
    capsys: pytest.CaptureFixture[str], serve: Callable[..., Server]
) -> None:
    server = serve(tls=False, largest=300_000, body_time=9, byte_time=9)
    assert main([server.url, "--only", "L1"]) == 1
    said = capsys.readouterr().out
    for directive in ("client_max_body_size", "[R=413]", "server.max-request-size"):
        assert directive in said


def test_summary_counts(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[Report] = []
    monkeypatch.setattr(Report, "show", lambda self, _console: reports.append(self))
    assert main([serve(tls=False).url, "--only", "R3,T7"]) == 0
    assert re.fullmatch(
        r"4 checks: 3 hold, 0 fail, 1 not checked · \d+ requests in \d+ s", reports[0].summary
    )
