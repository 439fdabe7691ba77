"""Chapter request object, in process."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings

JSON = {"Accept": "application/json"}
FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("hops", "client_address", "scheme"), [(0, "127.0.0.1", "http"), (1, "203.0.113.7", "https")]
)
def test_inspect_believes_as_many_proxies_as_the_settings_name(
    settings: Settings, hops: int, client_address: str, scheme: str
) -> None:
    client = create_app(replace(settings, proxy_hops=hops)).test_client()
    arrived = client.get("/request/inspect", headers=JSON | FORWARDED).get_json()
    assert (arrived["client"], arrived["scheme"]) == (client_address, scheme)
    assert arrived["url"] == f"{scheme}://localhost/request/inspect"


def test_inspect_knows_the_prefix_that_the_site_is_mounted_below(client: FlaskClient) -> None:
    arrived = client.get(
        "/request/inspect", base_url="https://example.org:8443/guide", headers=JSON
    ).get_json()
    assert arrived["script_name"] == "/guide"
    assert arrived["root"] == "https://example.org:8443/guide/"
    assert arrived["url"] == "https://example.org:8443/guide/request/inspect"
    assert arrived["host"] == "example.org:8443"


def test_inspect_measures_files_and_leaves_out_fields_without_one(client: FlaskClient) -> None:
    files = {"a": (BytesIO(b"x" * 400_000), "a.bin"), "b": (BytesIO(), ""), "c": (BytesIO(), "empty.txt")}
    arrived = client.post("/request/inspect", data=files, headers=JSON).get_json()
    assert [(file["field"], file["name"], file["size"]) for file in arrived["files"]] == [
        ("a", "a.bin", 400_000),
        ("c", "empty.txt", 0),
    ]


def test_neither_table_shows_the_token(client: FlaskClient) -> None:
    data = {"csrf_token": "s3cret", "Name": "MVL"}
    for path in ("/request/result", "/request/inspect"):
        page = client.post(path, data=data).text
        assert "MVL" in page
        assert "s3cret" not in page


def test_bytes_that_are_no_text_stay_quoted(client: FlaskClient) -> None:
    arrived = client.get("/request/inspect?a=%FF", headers=JSON).get_json()
    assert arrived["args"] == {"a": ["%FF"]}


def test_inspect_names_the_session_s_cookie_and_keeps_its_value(client: FlaskClient) -> None:
    client.set_cookie("session", "s3cret")
    client.set_cookie("flavour", "oat")
    arrived = client.get("/request/inspect", headers=JSON).get_json()
    assert arrived["cookies"] == {"session": "(not shown)", "flavour": "oat"}


def test_malformed_credentials_are_none(client: FlaskClient) -> None:
    sent = {"HTTP_AUTHORIZATION": "Basic (\xe9n_", "HTTP_ACCEPT": "application/json"}
    response = client.get("/request/inspect", environ_overrides=sent)
    assert response.status_code == 200
    assert response.get_json()["authorization"] is None
