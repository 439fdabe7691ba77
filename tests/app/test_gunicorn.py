"""servers/gunicorn.conf.py: what no test of a stack can see."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]

from app.config import MAX_BODY_BYTES
from tests.profiles import ROOT


def taken(monkeypatch: pytest.MonkeyPatch, body: int | None) -> int:
    """Return how much of a body is taken after its answer; None is one that never ends."""
    monkeypatch.setenv("PORT", "8000")
    configuration = runpy.run_path(str(ROOT / "servers/gunicorn.conf.py"))
    sizes: list[int] = []

    def read(size: int) -> bytes:
        sizes.append(size if body is None else min(size, body - sum(sizes)))
        return bytes(sizes[-1])

    configuration["post_request"](None, SimpleNamespace(body=SimpleNamespace(read=read)), None, None)
    return sum(sizes)


def test_rest_of_a_body_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert taken(monkeypatch, MAX_BODY_BYTES - 1) == MAX_BODY_BYTES - 1


def test_all_of_a_body_is_taken_that_httpd_has_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_FRONT_END", "apache-gunicorn")
    assert taken(monkeypatch, 3 * MAX_BODY_BYTES) == 3 * MAX_BODY_BYTES


def test_body_that_never_ends_is_not_taken_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a hosted platform no front end bounds it."""
    assert taken(monkeypatch, None) == MAX_BODY_BYTES


@pytest.mark.parametrize(("said", "number"), [(None, 2), ("", 2), ("3", 3)])
def test_environment_says_how_many_processes_there_are(
    monkeypatch: pytest.MonkeyPatch, said: str | None, number: int
) -> None:
    """Heroku does, by the memory of a dyno."""
    monkeypatch.setenv("PORT", "8000")
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    if said is not None:
        monkeypatch.setenv("WEB_CONCURRENCY", said)
    assert runpy.run_path(str(ROOT / "servers/gunicorn.conf.py"))["workers"] == number


def test_no_line_of_an_access_log_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a logconfig_dict Gunicorn's own would put one together for each request, and throw it away."""
    monkeypatch.setenv("PORT", "8000")
    configuration = Config()
    for name, value in runpy.run_path(str(ROOT / "servers/gunicorn.conf.py")).items():
        if name in {"logger_class", "logconfig_dict"}:
            configuration.set(name, value)
    logger = configuration.logger_class(configuration)
    prepared: list[object] = []
    monkeypatch.setattr(logger, "atoms", lambda *request: prepared.append(request))
    logger.access(None, None, {}, None)
    assert not prepared
