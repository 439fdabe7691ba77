"""That the browser of these tests judges a page, and not what other tests do to the machine meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from uuid import uuid4

import pytest
from playwright.sync_api import Browser

import docker

PICTURES = 60  # more than Chromium opens connections for: some wait


class Slow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html>" + b"".join(b"<img src=/%d.png>" % number for number in range(PICTURES))
        if self.path != "/":
            time.sleep(0.1)
            body = b"no picture"
        with suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def restless() -> Iterator[None]:
    """Make and remove networks."""
    ended = Event()

    def change() -> None:
        while not ended.is_set():
            network = docker.from_env().networks.create(f"test-{uuid4().hex[:8]}")
            ended.wait(0.5)
            network.remove()
            ended.wait(0.5)

    thread = Thread(target=change)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.usefixtures("restless")
def test_networks_that_come_and_go_disturb_no_page(browser: Browser, address: str) -> None:
    page, failed = browser.new_page(), list[str]()
    page.on("requestfailed", lambda request: failed.append(f"{request.url} {request.failure}"))
    for _ in range(4):
        page.goto(address)
    page.close()
    assert failed == []
