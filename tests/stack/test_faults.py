"""What a profile does when something stops, is replaced, is locked or is full (rows F1, F2, F4 to F8)."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from urllib.parse import urlencode

import pytest
import requests
from docker.models.containers import Container

from tests.faults import Load, visitors
from tests.site import Site
from tests.stacks import Stack, begun, until
from tests.wire import Answer, Place, request

pytestmark = pytest.mark.xdist_group("faults")

Note = Callable[[str, Load], None]
production = pytest.mark.production


@pytest.fixture
def stack(editable: Stack) -> Stack:
    return editable


def serves(stack: Stack) -> bool:
    try:
        return stack.site.get("/readyz", timeout=5).ok
    except requests.RequestException:
        return False


@contextmanager
def helper(container: Container, script: str, *arguments: str) -> Iterator[None]:
    """Run a Python script in a container, until its input ends; it begins with a line of output."""
    command = ["docker", "exec", "-i", container.name or "", "python3", "-c", script, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline(), "the script has failed"
        try:
            yield
        finally:
            process.stdin.close()


# Kills each process that has the parent and the name of one, again and again.
KEEP_KILLED = """
import os, select, signal, sys
from pathlib import Path

def kind(process):
    parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
    return parent, Path(f"/proc/{process}/cmdline").read_bytes().partition(b"\\0")[0]

wanted = kind(sys.argv[1])
print("begun", flush=True)
while not select.select([sys.stdin], [], [], 0.01)[0]:
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if kind(process) == wanted:
                os.kill(int(process), signal.SIGKILL)
        except OSError:
            pass
"""


@contextmanager
def waiting(stack: Stack, seconds: float, number: int) -> Iterator[list[Future[Answer]]]:
    """Have requests in flight, which take so many seconds; by turns they prefer HTML and JSON.

    Fewer than a process has threads: chance may give all of them to one, which is asked for their number.
    """

    def ask(number: int) -> Answer:
        line = f"GET /test/wait?seconds={seconds} HTTP/1.1"
        accept = ("Accept: text/html", "Accept: application/json")[number % 2]
        return Place(stack.base_url).ask(request(line, "Host: localhost", accept), seconds=60)

    def running() -> int:
        return int(stack.site.get("/test/streams").json()["running"])

    with ThreadPoolExecutor(number) as pool:
        before = running()
        asked = [pool.submit(ask, number) for number in range(number)]
        until(lambda: running() == before + number, "the requests are worked on")
        yield asked


@contextmanager
def app_absent(stack: Stack) -> Iterator[None]:
    """Have no process of the app, and begin it again at the end."""
    app = stack.app
    if app != stack.front:
        app.stop()
        try:
            yield
        finally:
            app.start()
        return
    worker = next(iter(stack.workers()))
    with helper(app, KEEP_KILLED, str(worker)):
        yield


def assert_is_page_of_an_outage(answer: Answer, mime: str) -> None:
    assert answer.status in {502, 503}
    assert answer["Content-Type"].startswith(mime)
    assert int(answer["Retry-After"]) > 0
    assert len(answer["X-Request-ID"]) in {32, 36}
    assert answer["X-Request-ID"] in answer.text
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"


# ---- F1: the application is down ----


@pytest.mark.alone
@pytest.mark.server
@production
def test_F1_crashed_app_is_told_of_and_comes_back_by_itself(stack: Stack) -> None:
    """All its processes are killed, with requests in flight."""
    app = stack.app
    with waiting(stack, 20, 3) as asked:
        if app == stack.front:
            stack.signal("KILL", list(stack.workers()))
            crashed = time.time()
        else:
            before = begun(app)
            stack.attempt(app, "sh", "-c", "kill -KILL -1")
            until(lambda: begun(app) > before, "Docker has started it again")
            crashed = begun(app)
        until(lambda: serves(stack), "the site answers again", 10)
        assert time.time() - crashed < 5
        for number, answer in enumerate(asked):
            mime = ("text/html", "application/json")[number % 2]
            assert_is_page_of_an_outage(answer.result(), mime)


@pytest.mark.alone
@pytest.mark.shared
@production
def test_F1_absent_app_is_told_of_and_used_again_when_it_is_back(stack: Stack) -> None:
    apart = stack.app != stack.front
    with app_absent(stack):
        asked = [(method, mime) for method in ("GET", "POST") for mime in ("text/html", "application/json")]
        # A server that starts the app's processes itself does so at once: a request may find one, or wait for
        # one until its time is over (L4).
        for method, mime in asked if apart else asked[:1]:
            line = f"{method} /application/hello HTTP/1.1"
            data = request(line, "Host: localhost", f"Accept: {mime}", "Content-Length: 0")
            answer = Place(stack.base_url).ask(data, method, seconds=70)
            if apart or answer.status >= 500:
                assert_is_page_of_an_outage(answer, mime)
    until(lambda: serves(stack), "the site answers again", 5)


@contextmanager
def socket_away(stack: Stack) -> Iterator[None]:
    """Have the application go on where the front end does not find it, unless that has it in itself."""
    if stack.app == stack.front:
        yield
        return
    stack.execute(stack.app, "sh", "-ec", "mkdir /run/app/away && mv /run/app/*.sock /run/app/away/")
    try:
        yield
    finally:
        back = "mv /run/app/away/*.sock /run/app/ && rmdir /run/app/away"
        stack.execute(stack.app, "sh", "-ec", back)


@pytest.mark.shared
@production
def test_F1_application_is_asked_again_within_two_seconds(stack: Stack) -> None:
    """No start of it counts here. The shortest of three: what waits for longer does so each time."""

    def outage() -> float:
        with socket_away(stack):
            # lighttpd counts seconds as they begin.
            until(lambda: 0.4 < time.monotonic() % 1 < 0.7, "the middle of a second")
            failed = time.monotonic()
            status = stack.site.get("/application/hello").status_code
            assert (status in {502, 503}) == (stack.app != stack.front)
        until(lambda: stack.site.get("/application/hello").ok, "the site answers again", 5)
        return time.monotonic() - failed

    assert min(outage() for _ in range(3)) < 2


# ---- F2: a worker is killed ----


@pytest.mark.alone
@pytest.mark.server
@production
def test_F2_killed_worker_fails_its_own_requests_alone_and_is_replaced(stack: Stack, note: Note) -> None:
    """Six requests wait, each known to be a process's by its mark; two visitors ask whoever is there."""
    stack.settle()
    before: dict[int, int] = {}

    def both_answer() -> bool:
        before.clear()
        before.update(stack.workers())
        return len(before) == 2

    until(both_answer, "both processes answer")  # one may have been held up as it started
    with waiting(stack, 5, 6) as asked, visitors(stack, 2) as load:
        marks = stack.execute(stack.app, "ls", "/tmp/test-streams").split()  # app/testing.py
        pids = [int(mark.split("-")[1]) for mark in marks]
        at_work = Counter(pid for pid in pids if pid in before)  # those that died before left theirs
        assert at_work.total() == 6
        victim, own = at_work.most_common(1)[0]
        sent, clock = time.monotonic(), stack.clock()
        stack.signal("KILL", [victim])
        killed = time.monotonic()  # It died between the two: Docker takes its time to send it, and to say so.
        new: dict[int, int] = {}

        def successor_answers() -> bool:
            new.update((pid, began) for pid, began in stack.workers().items() if pid not in before)
            return bool(new)

        until(successor_answers, "another answers in its place", 5)
        until(lambda: any(v.begun > killed for v in load.visits), "visitors come")
        answers = [answer.result() for answer in asked]
    note("F2 SIGKILL of a worker: all others", load)
    failed = [answer for answer in answers if answer.status != 200]
    assert [answer.status in {502, 503} for answer in failed] == [True] * own
    assert victim not in {json.loads(answer.text)["process"] for answer in answers if answer.status == 200}
    strays = [visit for visit in load.failures if not (visit.begun < killed and sent < visit.ended)]
    assert not strays, (sent, killed, strays)
    answered = {visit.process for visit in load.visits if visit.begun > killed and not visit.failure}
    assert answered & (before.keys() - {victim}), "the other worker goes on"
    assert min(new.values()) - clock < 200, "the successor began within 2 s"


# ---- F4 and F5: containers are replaced and stopped ----


@production
@pytest.mark.server
def test_F4_recreated_app_is_found_again(stack: Stack, note: Note) -> None:
    apart = stack.app != stack.front
    front = begun(stack.front)
    with visitors(stack) as load:
        until(lambda: len(load.visits) > 25, "the load is there")
        recreated = time.monotonic()
        stack.compose("up", "--detach", "--no-deps", "--force-recreate", stack.profile.app_service)
        until(lambda: serves(stack), "the site answers again")
        back = time.monotonic() + 1
        seen = len(load.visits)
        until(lambda: len(load.visits) > seen + 50, "it is used again")
    note("F4 app container recreated", load)
    assert all(recreated - 1 < visit.ended and visit.begun < back for visit in load.failures), load.failures
    assert not apart or begun(stack.front) == front


@production
@pytest.mark.server
def test_F5_stop_lets_requests_finish_and_every_container_ends_with_0(stack: Stack) -> None:
    with waiting(stack, 12, 3) as asked:
        stopped = time.monotonic()
        stack.compose("stop")
        took = time.monotonic() - stopped
    codes = {c.labels["com.docker.compose.service"]: c.attrs["State"]["ExitCode"] for c in stack.containers()}
    stack.up()
    assert took < 30
    assert [answer.result().status for answer in asked] == [200] * 3
    assert set(codes.values()) == {0}, codes


@production
@pytest.mark.shared
def test_F5_request_that_outlasts_30_s_does_not_hold_a_stop(editable: Stack) -> None:
    """Docker would kill after 40 s: the front end has ended by itself before, with 0."""
    stack = editable
    stack.settle()  # servers/httpd.py ends a start before it stops
    with Place(stack.base_url).connect() as wire:
        wire.send(request("GET /test/wait?seconds=58 HTTP/1.1", "Host: localhost"))
        until(lambda: stack.site.get("/test/streams").json()["running"] == 1, "the view is at work")
        stopped = time.time()
        stack.front.stop(timeout=40)
    state = stack.front.attrs["State"]
    stack.front.start()
    until(lambda: serves(stack), "the site answers again")
    assert datetime.fromisoformat(state["FinishedAt"]).timestamp() - stopped < 37
    assert state["ExitCode"] == 0


# ---- F6: the database is locked or gone ----

# Path and statement: how each of the two databases is written to, and what counts its rows.
DATABASES = pytest.mark.parametrize(
    ("form", "action", "fields", "database"),
    [
        ("/sqlite/enternew", "/sqlite/addrec", ("nm", "add", "city", "pin"), "database.db"),
        ("/sqlalchemy/new", "/sqlalchemy/new", ("name", "addr", "city", "pin"), "students.sqlite3"),
    ],
    ids=["sqlite", "sqlalchemy"],
)
LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""
COUNT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(*connection.execute("SELECT count(*) FROM students WHERE city = ?", sys.argv[2:]).fetchone())
"""


def row(fields: tuple[str, ...], city: str) -> dict[str, str]:
    return dict(zip(fields, ("a student", "a street", city, "1"), strict=True))


def insert(site: Site, token: str, action: str, fields: tuple[str, ...], city: str) -> requests.Response:
    return site.post(action, data={"csrf_token": token, **row(fields, city)}, timeout=40)


def rows(stack: Stack, database: str, city: str) -> int:
    return int(stack.execute(stack.app, "python3", "-c", COUNT, f"/var/lib/app/{database}", city))


def locked(stack: Stack, database: str) -> AbstractContextManager[None]:
    """Have another process hold the write lock of a database."""
    return helper(stack.app, LOCK, f"/var/lib/app/{database}")


@contextmanager
def moved_away(stack: Stack, database: str) -> Iterator[None]:
    """Have a database's files somewhere else."""
    script = f"cd /var/lib/app && mkdir away && mv {database}* away/"
    back = f"cd /var/lib/app && rm -f {database}* && mv away/* . && rmdir away"
    stack.execute(stack.app, "sh", "-ec", script)
    try:
        yield
    finally:
        stack.execute(stack.app, "sh", "-ec", back)


@DATABASES
@pytest.mark.parametrize("outage", [locked, moved_away], ids=["locked", "moved away"])
@pytest.mark.shared
def test_F6_database_that_does_not_answer_is_told_of_and_keeps_no_half(
    stack: Stack,
    form: str,
    action: str,
    fields: tuple[str, ...],
    database: str,
    outage: Callable[[Stack, str], AbstractContextManager[None]],
) -> None:
    """A process that has a moved file open may go on with it: then what it stored is there."""
    city = uuid.uuid4().hex[:12]
    site = stack.site
    token = site.token(form)
    with outage(stack, database):
        with ThreadPoolExecutor(4) as pool:
            ready = [pool.submit(stack.site.get, "/readyz", timeout=30) for _ in range(8)]
        assert [answer.result().status_code for answer in ready] == [503] * 8
        assert site.get("/healthz").status_code == 200
        asked = time.monotonic()
        answer = insert(site, token, action, fields, city)
        assert time.monotonic() - asked < 20
        if answer.status_code == 503:
            assert 'id="served-by"' in answer.text
            assert int(answer.headers["Retry-After"]) > 0
        else:
            assert outage is moved_away
    until(lambda: serves(stack), "the site is ready again")
    stored = rows(stack, database, city)
    assert stored == (answer.status_code != 503)
    assert insert(site, token, action, fields, city).ok
    assert rows(stack, database, city) == stored + 1


# ---- F7: the disk is full ----


@pytest.mark.shared
def test_F7_upload_to_a_full_disk_is_refused_and_leaves_nothing(stack: Stack) -> None:

    def upload(name: str) -> requests.Response:
        files = {"file": (name, b"x" * 2 * 1024 * 1024)}
        return stack.site.submit("/uploads/upload", "/uploads/uploader", files=files)

    def fill(folder: str) -> None:
        stack.execute(stack.app, "sh", "-c", f"! head -c 40M /dev/zero >{folder}/full 2>&1")

    def kept() -> str:
        """List the files that an upload can leave: the stored ones, and temporary ones without a name."""
        unlinked = "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c '/tmp/.*deleted'"
        script = f"ls -A /var/lib/app/uploads; ls -A /tmp; {unlinked}"
        return stack.attempt(stack.app, "sh", "-c", script)[1]

    assert upload("first.bin").status_code == 200
    fill("/var/lib/app/uploads")
    before = kept()
    assert upload("second.bin").status_code in {503, 507}
    assert kept() == before

    stack.execute(stack.app, "rm", "/var/lib/app/uploads/full")
    fill("/tmp")
    before = kept()
    refused = upload("third.bin")
    assert refused.status_code in {503, 507}
    assert 'id="served-by"' in refused.text
    assert kept() == before
    stack.execute(stack.app, "rm", "/tmp/full")
    assert upload("fourth.bin").status_code == 200


# ---- F8: many write at once ----


@DATABASES
@pytest.mark.shared
def test_F8_concurrent_inserts_are_all_kept(
    stack: Stack, form: str, action: str, fields: tuple[str, ...], database: str
) -> None:
    """16 writers, 100 each: as many rows afterwards as there were answers of success."""
    city = uuid.uuid4().hex[:12]
    place = Place(stack.base_url)

    def write(_: int) -> int:
        """Add rows by hand: a client's library would cost as much as the inserts."""
        with stack.site as site:
            body = urlencode({"csrf_token": site.token(form), **row(fields, city)}).encode()
            cookies = "; ".join(f"{name}={value}" for name, value in site.cookies.items())
        asked = request(
            f"POST {action} HTTP/1.1",
            f"Host: {place.host}",
            f"Cookie: {cookies}",
            "Connection: close",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
            body=body,
        )
        answers = [place.ask(asked, "POST", seconds=40) for _ in range(100)]
        return sum(answer.status in {200, 302} for answer in answers)

    with ThreadPoolExecutor(16) as pool:
        succeeded = sum(pool.map(write, range(16)))
    assert (succeeded, rows(stack, database, city)) == (1600, 1600)
