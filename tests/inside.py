"""What a container wrote, and commands in a running one, with all of their output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests
from docker.errors import create_api_error_from_http_exception
from docker.models.containers import Container


def run_inside(container: Container, command: Sequence[str], **options: Any) -> tuple[int, bytes]:
    """Run a command in a container; return its exit code and what it wrote; raises docker's APIError.

    Not docker-py's exec_run, which loses what arrives together with the answer's headers: all that a quick
    command writes, on a busy machine. https://github.com/docker/docker-py/issues/3332
    """
    assert container.client
    api = container.client.api
    execution = api.exec_create(container.id, list(command), **options)["Id"]
    start = f"{api.base_url}/v{api.api_version}/exec/{execution}/start"
    answer = api.post(start, json={"Detach": False, "Tty": False})
    try:
        answer.raise_for_status()
    except requests.HTTPError as error:
        create_api_error_from_http_exception(error)
    code = api.exec_inspect(execution)["ExitCode"]
    assert isinstance(code, int)
    return code, b"".join(blocks(answer.content))


def log_lines(container: Container, **which: Any) -> list[bytes]:
    """Return the lines of a container's log; which: as of docker-py's logs.

    Without one that is being written: Docker keeps a line of more than 16 KiB in pieces, each as it comes.
    """
    log: bytes = container.logs(**which)
    return log[: log.rfind(b"\n") + 1].splitlines()


def blocks(stream: bytes) -> list[bytes]:
    """Return what is between the headers of 8 bytes, of which the last 4 are a block's length."""
    found = []
    while stream:
        end = 8 + int.from_bytes(stream[4:8])
        found.append(stream[8:end])
        stream = stream[end:]
    return found
