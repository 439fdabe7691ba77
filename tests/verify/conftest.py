"""The small server, by HTTP and by HTTPS."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.verify.server import Behaviour, Server


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for 127.0.0.1, signed by itself, with its key."""
    path = tmp_path_factory.mktemp("tls") / "pair.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path, "-out", f"{path}.crt",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def serve(pair: Path) -> Iterator[Callable[..., Server]]:
    """Start servers that behave as told; they end with the test."""
    with ExitStack() as stack:

        def start(*, tls: bool = True, **behaviour: Any) -> Server:
            return stack.enter_context(Server(Behaviour(**behaviour), pair if tls else None))

        yield start
