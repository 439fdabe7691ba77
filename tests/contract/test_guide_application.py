"""Chapter application, through the front end."""

from tests.site import Site


def test_hello(site: Site) -> None:
    response = site.get("/application/hello")
    assert (response.status_code, response.text) == (200, "Hello World")
