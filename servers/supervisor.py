"""Several processes on one Unix socket, with a graceful reload, for servers that have none of their own.

A server's module calls `main` with a function that serves. Start: ``python -m servers.flup_server app.wsgi``.
Reload with new code: ``SIGHUP``. Stop: ``SIGTERM``.

A supervisor, which never imports the application, holds the listening socket and starts workers. Each
is a fresh interpreter, so a reload is a new generation of workers on the same socket: the old one goes
on until the new one has loaded, then finishes its requests. Nothing that waits in the socket is lost.

Supervisor and worker share a socket pair: the worker says ``READY`` on it, the supervisor ``SERVE``, and
closes its side to retire the worker. A worker's death is noticed at once; that of the supervisor ends all.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import errno
import logging
import os
import pkgutil
import selectors
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from pythonjsonlogger.json import JsonFormatter

from servers.sent_path import restore

READY, SERVE = b"r", b"s"
PR_SET_PDEATHSIG = 1  # of prctl(2)
GRACE_SECONDS = 25
"""How long a worker may go on with its requests once it is told to finish."""
TICK_SECONDS = 1
"""How often the supervisor looks at the clock; all else it does at once."""
RETRY_SECONDS = 1
"""How long to wait with a replacement where the last one did not even load the application."""

Serve = Callable[[WSGIApplication, socket.socket, socket.socket, int], None]
"""Serves the application on a listening socket that does not block, until the second socket can be read.

It returns when all requests that were begun are answered, and takes no more at once than the number given."""

log = logging.getLogger("supervisor")


# ---- a worker: a process that loads the application and serves it ----


def load(target: str) -> WSGIApplication:
    """Import ``module`` or ``module:object``; the object is `application` unless named."""
    module, _, name = target.partition(":")
    loaded: WSGIApplication = pkgutil.resolve_name(f"{module}:{name or 'application'}")
    return loaded


def mend(application: WSGIApplication) -> WSGIApplication:
    """Give the application the environment that WSGI promises, where server and front end do not."""

    def mended(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.errors"] = sys.stderr  # flup would send the log to the front end
        environ["wsgi.multiprocess"] = True
        environ["wsgi.input_terminated"] = True  # FastCGI and HTTP mark the end of a body
        if not environ["SERVER_PORT"].isdigit():  # a Unix socket has none: what the client named
            address = urlsplit(f"//{environ.get('HTTP_HOST', '')}")
            environ["SERVER_NAME"], environ["SERVER_PORT"] = address.hostname or "", str(address.port or 80)
        restore(environ)
        return application(environ, start_response)

    return mended


def work(serve: Serve, target: str, listener: socket.socket, channel: socket.socket, threads: int) -> None:
    """Serve from ``SERVE`` until the supervisor closes `channel`; return when all requests are answered."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # a terminal or systemd may tell all: the channel decides
    # lighttpd starts no other supervisor while somebody holds the socket, or has a request of its.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    application = mend(load(target))
    channel.send(READY)
    if channel.recv(1) == SERVE:
        serve(application, listener, channel, threads)


async def converse(
    with_each: Callable[[socket.socket], Coroutine[None, None, None]],
    listener: socket.socket,
    channel: socket.socket,
    limit: int,
) -> None:
    """Take connections, `limit` of them at once, until `channel` can be read; return when all have ended.

    For a server on asyncio's event loop: those that wait in the socket may go to another process.
    """
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    running: set[asyncio.Task[None]] = set()

    def take() -> None:
        with suppress(BlockingIOError):  # another process was faster
            task = loop.create_task(with_each(listener.accept()[0]))
            running.add(task)
            task.add_done_callback(ended)
            if len(running) == limit:
                loop.remove_reader(listener)

    def ended(task: asyncio.Task[None]) -> None:
        running.remove(task)
        if not over.is_set():
            loop.add_reader(listener, take)

    loop.add_reader(listener, take)
    loop.add_reader(channel, over.set)
    await over.wait()
    loop.remove_reader(channel)
    loop.remove_reader(listener)
    if running:
        await asyncio.wait(running)


# ---- the supervisor: a process that holds the socket and the workers ----


@dataclass(eq=False)
class Worker:
    """A worker as the supervisor sees it."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    ready: bool = False
    deadline: float = float("inf")
    """When it is killed if it has not finished; a time of `time.monotonic`."""

    def serve(self) -> None:
        """Put it in service; if it has died meanwhile, its silence will tell."""
        with suppress(BrokenPipeError):
            self.channel.send(SERVE)


class Supervisor:
    """Keeps `processes` workers in service on the socket `path`; `module` is what a worker runs.

    Without a path the socket is standard input, and its name the business of whom it comes from.
    """

    def __init__(self, module: str, target: str, path: Path | None, processes: int, threads: int) -> None:
        self.module, self.target, self.path = module, target, path
        self.processes, self.threads = processes, threads
        self.serving: list[Worker] = []
        self.starting: list[Worker] = []  # the next generation
        self.retired: list[Worker] = []
        self.started = False  # a first generation did load
        self.replace_at = 0.0
        self.status: int | None = None  # of this process, once it is to end
        self.selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit status."""
        self.listener = listen(self.path) if self.path else inherited()
        signals = watch_signals(signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
        self.selector.register(signals, selectors.EVENT_READ)
        self.starting.append(self.start_worker())
        while self.status is None or self.retired:
            for key, _ in self.selector.select(TICK_SECONDS):
                if key.data:
                    self.heard(key.data)
                else:
                    for number in signals.recv(64):
                        self.reload() if number == signal.SIGHUP else self.stop(0)
            self.keep_up()
        return self.status

    def reload(self) -> None:
        """Start the next generation with one worker; the others follow when that one has loaded."""
        if self.status is None:
            self.retire(self.starting)
            self.starting.append(self.start_worker())

    def stop(self, status: int) -> None:
        """Take no new connection, and end with `status` when the workers have."""
        if self.status is None:
            self.status = status
            if self.path:
                self.path.unlink(missing_ok=True)
            self.listener.close()
            self.retire(self.starting)
            self.retire(self.serving)

    def heard(self, worker: Worker) -> None:
        """Act on what a worker says: that it is ready, or, by falling silent, that it has ended."""
        if worker.channel.recv(1) == READY:
            worker.ready = True
            if worker in self.starting:
                self.advance()
            elif worker in self.serving:
                worker.serve()
            return
        self.selector.unregister(worker.channel)
        worker.channel.close()
        status = worker.process.wait()
        if worker in self.retired:
            self.retired.remove(worker)
        elif worker in self.serving:
            self.serving.remove(worker)
            self.replace_at = time.monotonic() + (0 if worker.ready else RETRY_SECONDS)
            log.warning("worker %d ended (%s); replacing it", worker.process.pid, status)
        else:
            self.starting.remove(worker)
            self.retire(self.starting)
            if self.started:
                log.error("the new code does not load; the old goes on")
            else:
                self.stop(1)

    def advance(self) -> None:
        """Complete the next generation; once it is ready, put it in place of the one that serves."""
        if self.started:
            while len(self.starting) < self.processes:
                self.starting.append(self.start_worker())
        # At first nothing serves: one worker does not wait for the others, which keep_up() starts.
        if all(worker.ready for worker in self.starting):
            for worker in self.starting:
                worker.serve()
            self.retire(self.serving)
            self.serving, self.starting, self.started = self.starting, [], True
            where = self.listener.getsockname()
            log.info("%d workers with %d threads serve %s", self.processes, self.threads, where)

    def keep_up(self) -> None:
        """Replace workers that died, and kill those that were to finish and did not."""
        now = time.monotonic()
        if self.started and self.status is None and self.replace_at <= now:
            while len(self.serving) < self.processes:
                self.serving.append(self.start_worker())
        for worker in self.retired:
            if worker.deadline <= now:
                log.warning("worker %d did not finish in %d s", worker.process.pid, GRACE_SECONDS)
                worker.process.kill()
                worker.deadline = float("inf")

    def start_worker(self) -> Worker:
        """Start an interpreter that loads the application as it is now."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", self.module, self.target]
            command += ["--threads", str(self.threads)]
            command += ["--worker", str(self.listener.fileno()), str(theirs.fileno())]
            descriptors = (self.listener.fileno(), theirs.fileno())
            process = subprocess.Popen(  # noqa: S603  this file, with this process's own arguments
                command, stdin=subprocess.DEVNULL, pass_fds=descriptors
            )
        worker = Worker(process, ours)
        self.selector.register(ours, selectors.EVENT_READ, worker)
        return worker

    def retire(self, workers: list[Worker]) -> None:
        """Move `workers` to the retired ones: they finish the requests that they have."""
        for worker in workers:
            worker.channel.shutdown(socket.SHUT_WR)
            worker.deadline = time.monotonic() + GRACE_SECONDS
        self.retired += workers
        workers.clear()


def listen(path: Path) -> socket.socket:
    """Open the socket `path`, for this user and group; exits with a sentence where that cannot be."""
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.setblocking(False)
        answer = visitor.connect_ex(str(path))
    if answer == 0:
        sys.exit(f"error: another process serves {path}; stop it, or name another socket with --socket.")
    if answer == errno.ECONNREFUSED and path.is_socket():
        path.unlink()  # left behind by a process that was killed
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o117)
    try:
        listener.bind(str(path))
    except OSError as error:
        sys.exit(f"error: {path} cannot be made ({error.strerror}); name another socket with --socket.")
    finally:
        os.umask(umask)
    listener.setblocking(False)
    listener.listen(socket.SOMAXCONN)
    return listener


def inherited() -> socket.socket:
    """Take over the socket that is standard input (FCGI_LISTENSOCK_FILENO); exits where it is none."""
    if not stat.S_ISSOCK(os.fstat(0).st_mode):
        sys.exit("error: standard input is no socket; have the front end start this, or use --socket.")
    listener = socket.socket(fileno=os.dup(0))
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    listener.setblocking(False)
    return listener


def watch_signals(*numbers: signal.Signals) -> socket.socket:
    """Return a socket on which each of these signals arrives as a byte, its number."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(theirs.detach())
    return ours


def main(
    serve: Serve,
    module: str,
    path: Path = Path("/run/app/app.sock"),
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the command line of a server: `module` can be run with ``python -m``, `path` is its socket."""
    parser = argparse.ArgumentParser(prog=module.rpartition(".")[2], description=__doc__.partition("\n")[0])
    parser.add_argument("application", help="module, or module:object (default object: application)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--socket", type=Path, default=path)
    where.add_argument("--stdin", action="store_true", help="the socket is standard input")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4, help="in each process")
    parser.add_argument("--check", action="store_true", help="import the application and exit")
    parser.add_argument("--worker", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.check:
        load(options.application)
        return 0
    if options.worker:
        listener, channel = (socket.socket(fileno=number) for number in options.worker)
        for inherited in (listener, channel):
            inherited.set_inheritable(False)
        work(serve, options.application, listener, channel, options.threads)
        return 0
    handler = logging.StreamHandler()
    names = {"levelname": "level", "name": "logger", "exc_info": "exception"}
    handler.setFormatter(
        JsonFormatter("{levelname}{name}{message}", style="{", rename_fields=names, timestamp="time")
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    own = None if options.stdin else options.socket
    return Supervisor(module, options.application, own, options.processes, options.threads).run()
