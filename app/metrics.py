"""What Prometheus reads at `/metrics`: requests by method, view and status, and how long they took.

Where ``PROMETHEUS_MULTIPROC_DIR`` names a folder, each process counts in files there, and any of them tells
the sum. The folder is to be in memory and to end with the service, for what is in it counts.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    Path(folder).mkdir(parents=True, exist_ok=True)  # the next import needs it

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

REQUESTS = Counter("http_requests", "Requests that were answered.", ["method", "endpoint", "status"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from a request's arrival to the first byte.",
    ["method", "endpoint"],
)


def _begin() -> None:
    g.began = time.perf_counter()


def _count(response: Response) -> Response:
    # What a client may invent is no label: each value costs memory for good.
    method = request.method if request.method in METHODS else "other"
    endpoint = request.endpoint or "none"
    REQUESTS.labels(method, endpoint, response.status_code).inc()
    DURATION.labels(method, endpoint).observe(time.perf_counter() - g.began)
    return response


def _metrics() -> Response:
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def init_app(app: Flask) -> None:
    """Count each request; tell the counts at `/metrics`, where a front end keeps strangers away from it."""
    app.before_request(_begin)
    app.after_request(_count)
    if not app.extensions["settings"].hosted:
        app.add_url_rule("/metrics", "metrics", _metrics)
