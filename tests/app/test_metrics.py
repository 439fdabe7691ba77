"""app/metrics.py: what is counted, alone and across processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings

PROGRAM = """
import sys
from pathlib import Path
from app import create_app
from app.config import Settings
folder = Path(sys.argv[1])
client = create_app(Settings("x" * 32, folder, folder, "sqlite://")).test_client()
for path in sys.argv[2:]:
    response = client.get(path)
print(response.text)
"""


def count(text: str, **labels: str) -> float:
    wanted = ",".join(f'{name}="{labels[name]}"' for name in ("endpoint", "method", "status"))
    found = re.search(rf"^http_requests_total{{{re.escape(wanted)}}} (\S+)$", text, re.M)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize(
    ("path", "method", "labels"),
    [
        ("/application/hello", "GET", {"endpoint": "application.hello", "status": "200"}),
        ("/application/hello", "POST", {"endpoint": "none", "status": "405"}),
        ("/nothing/anybody/made/up", "GET", {"endpoint": "none", "status": "404"}),
        ("/", "MADEUP", {"endpoint": "none", "status": "405", "method": "other"}),
        ("/variables/hello/ann", "GET", {"endpoint": "variables.hello", "status": "200"}),
    ],
)
def test_a_request_is_counted_by_method_view_and_status(
    client: FlaskClient, path: str, method: str, labels: dict[str, str]
) -> None:
    labels = {"method": method, **labels}
    before = count(client.get("/metrics").text, **labels)
    client.open(path, method=method)
    assert count(client.get("/metrics").text, **labels) == before + 1


def test_durations_are_a_histogram(client: FlaskClient) -> None:
    client.get("/application/hello")
    response = client.get("/metrics")
    assert response.content_type.startswith("text/plain; version=")
    view = 'endpoint="application.hello"'
    assert f'http_request_duration_seconds_bucket{{{view},le="+Inf",method="GET"}}' in response.text
    assert f'http_request_duration_seconds_count{{{view},method="GET"}}' in response.text


def test_V3_on_a_hosted_platform_nobody_is_told(settings: Settings) -> None:
    """No front end is there that could keep strangers away."""
    client = create_app(replace(settings, proxy_hops=1)).test_client()
    assert client.get("/application/hello").status_code == 200
    assert client.get("/metrics").status_code == 404


def test_all_processes_count_together_those_that_ended_too(tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }

    def visit(*paths: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), *paths]
        return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)

    with visit(*["/application/hello"] * 10) as one, visit(*["/application/hello"] * 10) as other:
        assert [process.communicate(timeout=60)[0] for process in (one, other)] == ["Hello World\n"] * 2
    with visit("/application/hello", "/metrics") as third:
        text, _ = third.communicate(timeout=60)
    assert count(text, endpoint="application.hello", method="GET", status="200") == 21
