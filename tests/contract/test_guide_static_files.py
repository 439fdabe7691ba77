"""Chapter static files, through the front end."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import pytest

from tests.site import Site


def test_the_button_s_script_is_a_static_file(site: Site) -> None:
    page = site.get("/static-files/")
    assert '<button type="button" id="say-hello">Say Hello</button>' in page.text
    script = re.search(r'<script src="([^"]+)"></script>', page.text)
    assert script
    url = urljoin(page.url, script[1])
    assert urlsplit(url).path.startswith(f"{site.prefix}/static/hello")
    response = site.get(url)
    assert response.status_code == 200
    assert response.headers["Content-Type"].split(";")[0] in {"text/javascript", "application/javascript"}
    assert 'alert("Hello World")' in response.text


@pytest.mark.parametrize("path", ["", "nothing.js", "../wsgi.py", "%2e%2e/wsgi.py", "..%2fwsgi.py"])
def test_nothing_but_static_files_is_below_static(site: Site, path: str) -> None:
    response = site.get(f"/static/{path}")
    assert response.status_code in {400, 403, 404}
    assert "create_app" not in response.text
