"""Chapter routing, in process."""

from flask import Flask
from flask.testing import FlaskClient


def test_both_rules_call_one_view(app: Flask, client: FlaskClient) -> None:
    assert app.view_functions["routing.hello"] is app.view_functions["routing.rule"]
    assert client.get("/routing/hello").text == client.get("/routing/rule").text == "hello world"
