"""Names of static files that change with their content, so that a browser may keep them for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Flask


def init_app(app: Flask) -> None:
    """Let `url_for("static", …)` name the fingerprinted copy, where the image has a manifest of them."""
    manifest = Path(str(app.static_folder)) / "cache_manifest.json"
    names = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}

    @app.url_defaults
    def fingerprint(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            values["filename"] = names.get(values["filename"], values["filename"])
