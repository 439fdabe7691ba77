"""Several processes on one Unix socket, with a graceful reload, for servers that have none of their own.

A server's module calls `main` with a function that serves. Start: ``python -m servers.flup_server app.wsgi``.
Reload with new code: ``SIGHUP``. Stop: ``SIGTERM``.

A supervisor, which never imports the application, holds the listening socket and a generation: an interpreter
that loads the application once, and forks a worker whenever it is told to, so that they share its memory.
A reload is a new generation on the same socket: the old one goes on until the new one has loaded, then its
workers finish their requests. Nothing that waits in the socket is lost.

Supervisor and generation share a socket pair: the generation says ``READY`` on it, the supervisor sends for
each worker one end of another pair, and closes its own to retire the worker. The end of each is noticed at
once; that of the supervisor ends all, and that of a generation its workers.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import errno
import gc
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
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from pythonjsonlogger.json import JsonFormatter

from servers.sent_path import restore

READY, FORK = b"r", b"f"
PR_SET_PDEATHSIG = 1  # of prctl(2)
GRACE_SECONDS = 25
"""How long a worker may go on with its requests once it is told to finish."""
TICK_SECONDS = 1
"""How often the supervisor looks at the clock; all else it does at once."""
RETRY_SECONDS = 1
"""How long a worker, or the loading of an application, takes at least before it is tried again."""

Serve = Callable[[WSGIApplication, socket.socket, socket.socket, int], None]
"""Serves the application on a listening socket that does not block, until the second socket can be read.

It returns when all requests that were begun are answered, and takes no more at once than the number given."""

log = logging.getLogger("supervisor")


# ---- a generation: a process that loads the application, and those forked from it, which serve it ----


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


def end_with_parent() -> None:
    """Be killed when the parent ends: lighttpd starts no other supervisor while somebody holds the socket."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def work(serve: Serve, target: str, listener: socket.socket, control: socket.socket, threads: int) -> None:
    """Load the application, and fork a worker for each socket that comes, until there comes an end.

    Returns in each worker, too: when the supervisor has closed its socket, and all requests are answered.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # a terminal or systemd may tell all: the supervisor decides
    end_with_parent()
    application = mend(load(target))
    gc.collect()
    gc.freeze()  # what the collector does not look at stays shared
    control.send(READY)
    generation = os.getpid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a worker: its socket tells
    while True:
        _, descriptors, *_ = socket.recv_fds(control, 1, 1)
        if not descriptors:
            return
        channel = socket.socket(fileno=descriptors[0])
        if not os.fork():
            break
        channel.close()
    end_with_parent()
    if os.getppid() != generation:
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control.close()
    channel.send(str(os.getpid()).encode())
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

    generation: Generation
    channel: socket.socket
    begun: float = field(default_factory=time.monotonic)
    process: int = 0  # its id, once it has said it


@dataclass(eq=False)
class Generation:
    """Processes with the same code: the one that has loaded it, and its workers."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    workers: list[Worker] = field(default_factory=list)
    deadline: float = float("inf")
    """When it is killed if it has not finished; a time of `time.monotonic`."""


class Supervisor:
    """Keeps `processes` workers in service on the socket `path`; `module` is what a generation runs.

    Where it was opened by whoever starts this, it is a file descriptor, and its name their business.
    """

    def __init__(self, module: str, target: str, path: Path | int, processes: int, threads: int) -> None:
        self.module, self.target = module, target
        if isinstance(path, int):
            self.listener, self.path = inherited(path), None  # before anything else has that number
            self.signals = watch_signals()
        else:
            self.signals = watch_signals()  # before: whoever sees the socket may tell this process to stop
            self.listener, self.path = listen(path), path
        self.processes, self.threads = processes, threads
        self.serving: Generation | None = None
        self.loading: Generation | None = None
        self.retired: list[Generation] = []
        self.started = False  # a first generation did load
        self.again_at = 0.0  # when a worker may be forked, or a generation loaded
        self.status: int | None = None  # of this process, once it is to end
        self.selector = selectors.DefaultSelector()
        # Taken out, as it is nobody else's: sd_notify(3).
        self.systemd = os.environ.pop("NOTIFY_SOCKET", None)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit status."""
        self.selector.register(self.signals, selectors.EVENT_READ)
        self.loading = self.load()
        while self.status is None or self.retired:
            for key, _ in self.selector.select(TICK_SECONDS):
                if isinstance(key.data, Worker):
                    self.heard_worker(key.data)
                elif isinstance(key.data, Generation):
                    self.heard_generation(key.data)
                else:
                    for number in self.signals.recv(64):
                        self.reload() if number == signal.SIGHUP else self.stop(0)
            self.keep_up()
        return self.status

    def reload(self) -> None:
        """Start the next generation."""
        if self.status is None:
            self.retire(self.loading)
            self.loading = self.load()

    def stop(self, status: int) -> None:
        """Take no new connection, and end with `status` when the workers have."""
        if self.status is None:
            self.status = status
            if self.path:
                self.path.unlink(missing_ok=True)
            self.listener.close()
            self.retire(self.loading)
            self.retire(self.serving)
            self.loading = self.serving = None

    def heard_generation(self, generation: Generation) -> None:
        """Act on what a generation says: that it has loaded, or, by falling silent, that it has ended."""
        if said(generation.control):
            if generation is self.loading:  # not, where another was wanted meanwhile
                self.put_in_service(generation)
            return
        self.forget(generation.control)
        status = generation.process.wait()
        if generation in self.retired:
            self.retired.remove(generation)
        elif generation is self.serving:
            self.serving = None
            log.warning("the workers' parent ended (%s), and they with it; starting anew", status)
        else:
            self.loading = None
            self.again_at = time.monotonic() + RETRY_SECONDS
            if self.serving:
                log.error("the new code does not load; the old goes on")
            elif not self.started:
                self.stop(1)

    def put_in_service(self, generation: Generation) -> None:
        """Have the generation serve in place of the one that does."""
        self.retire(self.serving)
        self.serving, self.loading = generation, None
        while len(generation.workers) < self.processes:
            self.fork(generation)
        if not self.started and self.systemd:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
                systemd.sendto(b"READY=1", self.systemd)
        self.started = True
        where = self.listener.getsockname()
        log.info("%d workers with %d threads serve %s", self.processes, self.threads, where)

    def heard_worker(self, worker: Worker) -> None:
        """Act on what a worker says: its process, or, by falling silent, that it has ended."""
        if process := said(worker.channel):
            worker.process = int(process)
            return
        self.forget(worker.channel)
        worker.generation.workers.remove(worker)
        if worker.generation is self.serving:
            self.again_at = worker.begun + RETRY_SECONDS
            log.warning("worker %d ended; replacing it", worker.process)
        elif worker.generation in self.retired and not worker.generation.workers:
            worker.generation.control.shutdown(socket.SHUT_WR)

    def keep_up(self) -> None:
        """Replace what died, and kill what was to finish and did not."""
        now = time.monotonic()
        if self.started and self.status is None and self.again_at <= now:
            if self.serving:
                while len(self.serving.workers) < self.processes:
                    self.fork(self.serving)
            elif not self.loading:
                self.loading = self.load()
        for generation in self.retired:
            if generation.deadline <= now:
                for worker in generation.workers:
                    log.warning("worker %d did not finish in %d s", worker.process, GRACE_SECONDS)
                generation.process.kill()
                generation.deadline = float("inf")

    def load(self) -> Generation:
        """Start an interpreter that loads the application as it is now."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", self.module, self.target]
            command += ["--threads", str(self.threads)]
            command += ["--worker", str(self.listener.fileno()), str(theirs.fileno())]
            descriptors = (self.listener.fileno(), theirs.fileno())
            process = subprocess.Popen(  # noqa: S603  this file, with this process's own arguments
                command, stdin=subprocess.DEVNULL, pass_fds=descriptors
            )
        generation = Generation(process, ours)
        self.selector.register(ours, selectors.EVENT_READ, generation)
        return generation

    def fork(self, generation: Generation) -> None:
        """Have one more worker; if the generation has died meanwhile, the silence of both will tell."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, suppress(BrokenPipeError):
            socket.send_fds(generation.control, [FORK], [theirs.fileno()])
        worker = Worker(generation, ours)
        generation.workers.append(worker)
        self.selector.register(ours, selectors.EVENT_READ, worker)

    def forget(self, channel: socket.socket) -> None:
        """Close a socket that has fallen silent."""
        self.selector.unregister(channel)
        channel.close()

    def retire(self, generation: Generation | None) -> None:
        """Have a generation end: its workers finish the requests that they have."""
        if generation:
            for worker in generation.workers:
                worker.channel.shutdown(socket.SHUT_WR)
            if not generation.workers:
                generation.control.shutdown(socket.SHUT_WR)
            generation.deadline = time.monotonic() + GRACE_SECONDS
            self.retired.append(generation)


def said(channel: socket.socket) -> bytes:
    """Return what has come; nothing where the other side has ended."""
    try:
        return channel.recv(64)
    except ConnectionResetError:  # it has ended with something unread
        return b""


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


def inherited(descriptor: int) -> socket.socket:
    """Take over a socket that this process was started with; exits where it is none."""
    try:
        is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        is_socket = False
    if not is_socket:
        sys.exit(
            f"error: file descriptor {descriptor} is no socket; have systemd or the front end start this, "
            "or use --socket."
        )
    listener = socket.socket(fileno=os.dup(descriptor))
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), descriptor)
    listener.setblocking(False)
    return listener


def watch_signals() -> socket.socket:
    """Return a socket on which each signal to reload or stop arrives as a byte, its number."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.detach())  # before: one that came between would be lost
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return ours


def at_least_1(text: str) -> int:
    """Read a number of processes; raises what argparse tells of."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main(
    serve: Serve,
    module: str,
    path: Path = Path("/run/app/app.sock"),
    arguments: Sequence[str] | None = None,
    threads: int = 4,
) -> int:
    """Run the command line of a server: `module` can be run with ``python -m``, `path` is its socket."""
    parser = argparse.ArgumentParser(prog=module.rpartition(".")[2], description=__doc__.partition("\n")[0])
    parser.add_argument("application", help="module, or module:object (default object: application)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--socket", type=Path, default=path)
    where.add_argument(
        "--fd", type=int, help="the socket is this file descriptor; the first of systemd's is 3"
    )
    # FCGI_LISTENSOCK_FILENO, as lighttpd starts a server. Units copied earlier say so, too: see flup.service.
    where.add_argument(
        "--stdin", dest="fd", action="store_const", const=0, help="the socket is standard input"
    )
    parser.add_argument(
        "--processes", type=at_least_1, default=os.environ.get("WEB_CONCURRENCY") or "2",
        help="by default WEB_CONCURRENCY of the environment, or 2",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=threads, help="in each process")
    parser.add_argument("--check", action="store_true", help="import the application and exit")
    parser.add_argument("--worker", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.check:
        load(options.application)
        return 0
    if options.worker:
        listener, control = (socket.socket(fileno=number) for number in options.worker)
        for inherited in (listener, control):
            inherited.set_inheritable(False)
        work(serve, options.application, listener, control, options.threads)
        return 0
    handler = logging.StreamHandler()
    names = {"levelname": "level", "name": "logger", "exc_info": "exception"}
    handler.setFormatter(
        JsonFormatter("{levelname}{name}{message}", style="{", rename_fields=names, timestamp="time")
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    where_from = options.socket if options.fd is None else options.fd
    return Supervisor(module, options.application, where_from, options.processes, options.threads).run()
