"""A real Chromium; what its console and its content policy complain of fails the test."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Chromium gives up what waits for a connection (ERR_NETWORK_CHANGED) whenever a network of this machine comes
# or goes, as Docker's do with each stack. It hears of them by netlink, and can do without.
START = """#!{python}
import errno, os, socket, sys
import pyseccomp
rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
netlink = pyseccomp.Arg(0, pyseccomp.EQ, socket.AF_NETLINK)
rules.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", netlink)
rules.load()
os.execv({chromium!r}, [{chromium!r}, *sys.argv[1:]])
"""


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "no Chromium: run 'tests/setup.sh browser', or name one in CHROMIUM"
    start = tmp_path_factory.mktemp("browser") / "chromium"
    start.write_text(START.format(python=sys.executable, chromium=chromium), encoding="utf-8")
    start.chmod(0o755)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=start, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def visitor(browser: Browser, base_url: str) -> Iterator[BrowserContext]:
    """One visitor for all tests: a new one would fetch and compile all scripts and styles anew."""
    context = browser.new_context(base_url=base_url)
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(visitor: BrowserContext) -> Iterator[Page]:
    """A tab whose addresses are relative to the site; it must leave a clean console."""
    page = visitor.new_page()
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # A page that answers an error by intention is named in the console, too.
        own_status = message.text.startswith("Failed to load") and message.location["url"] == page.url
        if message.type in {"error", "warning"} and not own_status:
            complaints.append(f"{message.text} ({message.location['url']})")

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert complaints == []


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A file to upload."""
    file = tmp_path / f"sample-{os.urandom(4).hex()}.txt"
    file.write_text("a few words", encoding="utf-8")
    return file
