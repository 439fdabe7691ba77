"""Chapter redirects and errors, in process."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_an_error_page_keeps_the_headers_of_its_error(client: FlaskClient, accept: str) -> None:
    headers = {"Accept": accept}
    unauthorized = client.post("/errors/login", data={"username": "eve"}, headers=headers)
    assert unauthorized.headers["WWW-Authenticate"] == 'Form realm="Errors chapter"'
    assert client.get("/errors/abort/429", headers=headers).headers["Retry-After"] == "60"
    assert "GET" in client.put("/errors/", headers=headers).headers["Allow"]


def test_every_code_of_abort_is_on_the_page(client: FlaskClient) -> None:
    page = client.get("/errors/").text
    for code in (400, 401, 403, 404, 406, 415, 429):
        assert f'href="/errors/abort/{code}"' in page
        assert client.get(f"/errors/abort/{code}").status_code == code


def test_redirects_follow_the_prefix_that_the_site_is_mounted_below(client: FlaskClient) -> None:
    response = client.get("/errors/redirect/303", base_url="http://localhost/guide")
    assert (response.status_code, response.headers["Location"]) == (303, "/guide/errors/")


def test_304_carries_no_header_of_a_body(client: FlaskClient) -> None:
    response = client.get("/errors/redirect/304")
    assert response.status_code == 304
    assert not {"Content-Type", "Content-Length", "Location"} & set(response.headers.keys())


@pytest.mark.parametrize("fields", [{}, {"username": ""}, {"username": "eve"}, {"username": "Admin"}])
def test_nobody_but_admin_may_log_in(client: FlaskClient, fields: dict[str, str]) -> None:
    assert client.post("/errors/login", data=fields).status_code == 401
