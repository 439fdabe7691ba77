"""app/request_id.py: the id that joins response, access log and application log."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings

HEX = "0123456789abcdefABCDEF0123456789"
UUID = "3a0e9e7f-badc-4895-b7d8-858bcc466541"


@pytest.mark.parametrize("given", [HEX, str(UUID), str(UUID).upper()])
def test_a_well_formed_id_is_kept(client: FlaskClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given}).headers.getlist("X-Request-ID") == [given]


@pytest.mark.parametrize(
    "given",
    ["", "x", HEX[:-1], HEX + "0", HEX[:-1] + "g", f"{HEX},{HEX}", "<b>", str(UUID)[:-1], f"{HEX}\t"],
)
def test_any_other_is_replaced(client: FlaskClient, given: str) -> None:
    (made,) = client.get("/healthz", headers={"X-Request-ID": given}).headers.getlist("X-Request-ID")
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_each_request_has_its_own(client: FlaskClient) -> None:
    assert len({client.get(path).headers["X-Request-ID"] for path in ("/", "/healthz", "/nothing") * 5}) == 15


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_an_error_page_names_it(client: FlaskClient, accept: str) -> None:
    response = client.get("/nothing", headers={"X-Request-ID": HEX, "Accept": accept})
    assert HEX in response.text


def test_behind_a_front_end_the_response_is_the_front_end_s_to_name(settings: Settings) -> None:
    client = create_app(replace(settings, front_end="nginx")).test_client()
    response = client.get("/nothing", headers={"X-Request-ID": HEX})
    assert "X-Request-ID" not in response.headers
    assert HEX in response.text
