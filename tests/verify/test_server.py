"""tests/verify/server.py itself, where a fault would not fail what it is for."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.supervised import eventually
from tests.verify.server import Server


@pytest.mark.parametrize("length", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_client_that_leaves_in_its_body_is_let_go(serve: Callable[..., Server], length: str) -> None:
    """Its thread ran in circles, and took a core from all later tests."""
    server = serve(tls=False)
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{length}\r\n\r\n2\r\n".encode())
        eventually(lambda: server.open == 1, "the connection")
    eventually(lambda: server.open == 0, "its end")
