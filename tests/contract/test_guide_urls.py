"""Chapter URL building, through the front end."""

from __future__ import annotations

import pytest

from tests.site import Site


@pytest.mark.parametrize(
    ("name", "leads_to", "text"),
    [
        ("admin", "/urls/admin", "Hello Admin"),
        ("mvl", "/urls/guest/mvl", "Hello mvl as Guest"),
        ("Zo%C3%AB%20%3F%23%26", "/urls/guest/Zo%C3%AB%20%3F%23&", "Hello Zoë ?#&amp; as Guest"),
        ("%3Cb%3E", "/urls/guest/%3Cb%3E", "Hello &lt;b&gt; as Guest"),
    ],
)
def test_user_is_redirected_to_the_view_for_him(site: Site, name: str, leads_to: str, text: str) -> None:
    response = site.get(f"/urls/user/{name}")
    assert response.status_code == 302
    assert response.headers["Location"].endswith(leads_to)
    followed = site.get(f"/urls/user/{name}", allow_redirects=True)
    assert (followed.status_code, followed.text) == (200, text)


@pytest.mark.parametrize("path", ["admin/", "guest/", "user/", "guest"])
def test_an_address_without_its_argument_is_not_found(site: Site, path: str) -> None:
    assert site.get(f"/urls/{path}").status_code == 404


def test_a_redirect_stays_on_the_site_whatever_the_name(site: Site) -> None:
    """A name is data: `\\\\evil` or `javascript:` in it must not become the address itself."""
    for name in ("%5C%5Cevil.example", "javascript:alert(1)", "@evil.example"):
        response = site.get(f"/urls/user/{name}", allow_redirects=True)
        assert response.url.startswith(site.base_url)
        assert response.status_code == 200


def test_external_addresses_are_those_that_the_client_used(site: Site) -> None:
    assert f"<code>{site.base_url}urls/</code>" in site.get("/urls/").text
