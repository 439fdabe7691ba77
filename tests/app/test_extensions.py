"""Chapter extensions, in process."""

from __future__ import annotations

import re
from importlib.metadata import version

from flask import Flask
from flask.testing import FlaskClient

from app.guide.extensions import EXTENSIONS

OURS = {"settings", "tries"}


def test_every_extension_in_use_is_listed_with_its_version(app: Flask, client: FlaskClient) -> None:
    """Who adds an extension is told here to list it."""
    assert set(app.extensions) - OURS == set(EXTENSIONS)
    rows = re.findall(
        r'<tr><th scope="row"><a href="([^"]+)">([^<]+)</a></th><td>([^<]+)</td>',
        client.get("/extensions/").text,
    )
    assert {package: shown for _, package, shown in rows} == {
        package: version(package) for package, _, _ in EXTENSIONS.values()
    }
    assert {client.get(url).status_code for url, _, _ in rows} == {200}
