"""Chapter static files, in process."""

from __future__ import annotations

from flask.testing import FlaskClient


def test_script_is_named_by_url_for_below_the_site_s_prefix(client: FlaskClient) -> None:
    page = client.get("/static-files/", base_url="https://example.org/guide").text
    assert '<script src="/guide/static/hello.js"></script>' in page
    with client.get("/static/hello.js") as response:
        assert 'alert("Hello World")' in response.get_data(as_text=True)
