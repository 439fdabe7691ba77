"""Chapter URL building, in process."""

from __future__ import annotations

from flask.testing import FlaskClient


def test_addresses_follow_the_prefix_that_the_site_is_mounted_below(client: FlaskClient) -> None:
    response = client.get("/urls/user/mvl", base_url="https://example.org/guide")
    assert response.headers["Location"] == "/guide/urls/guest/mvl"
    page = client.get("/urls/", base_url="https://example.org/guide").text
    assert "<code>https://example.org/guide/urls/</code>" in page
    assert 'href="/guide/urls/admin"' in page
