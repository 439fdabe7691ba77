"""Clients that run beside a front end, in its own network: Debian's testssl.sh, and tests/http_3.py."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

from docker.models.containers import Container

from tests.profiles import ROOT
from tests.stacks import Stack
from tests.wire import Place, request

CLIENTS = """
FROM {base}
RUN apt-get update && apt-get install -y --no-install-recommends python3-aioquic testssl.sh \\
    && rm -rf /var/lib/apt/lists/*
"""


def offers_http_3(stack: Stack) -> bool:
    """Return whether the front end does, by a published UDP port and, to who asks for 443, by Alt-Svc.

    Where it does by neither, nobody listens there.
    """
    offered = "443/udp" in stack.front.attrs["HostConfig"]["PortBindings"]
    place = Place(stack.tls_url, stack.authority)
    assert place.ask(request("GET / HTTP/1.1", "Host: localhost")).all("Alt-Svc") == ['h3=":443"'] * offered
    listening = stack.execute(stack.front, "cat", "/proc/net/udp", "/proc/net/udp6")
    assert (f":{443:04X} " in listening) == offered
    return offered


@contextmanager
def client(stack: Stack, command: str) -> Iterator[Container]:
    """Start a command, which finds /ca.pem and /http_3.py; its container is gone afterwards."""
    base = os.environ.get("BASE_IMAGE", "debian:trixie-slim")
    image, _ = stack.docker.images.build(
        fileobj=io.BytesIO(CLIENTS.format(base=base).encode()), tag=stack.image_name("clients")
    )
    container = stack.docker.containers.create(
        image, ["sh", "-c", command], network_mode=f"container:{stack.front.id}"
    )
    try:
        for name, file in {"ca.pem": stack.authority, "http_3.py": ROOT / "tests/http_3.py"}.items():
            container.put_archive("/", archive(name, file.read_bytes()))
        container.start()
        yield container
    finally:
        container.remove(force=True)


def beside(stack: Stack, command: str) -> tuple[str, str]:
    """Run a command to its end; return both its outputs."""
    with client(stack, command) as container:
        container.wait(timeout=300)
        return container.logs(stderr=False).decode(), container.logs(stdout=False).decode()


def archive(name: str, content: bytes) -> bytes:
    """Return a tar with one file."""
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()
