"""Chapter templates, in process."""

from __future__ import annotations

import pytest
from flask import Flask, render_template
from flask.testing import FlaskClient


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("<b>", "Hello &lt;b&gt;!"),
        ("51", "Your result is pass!"),
        ("50", "Your result is fail"),
    ],
)
def test_hello(client: FlaskClient, path: str, heading: str) -> None:
    assert f"<h1>{heading}</h1>" in client.get(f"/templates/hello/{path}").text


def test_line_statements_and_comments_leave_no_trace(app: Flask) -> None:
    with app.test_request_context():
        text = render_template("guide/templates-sample.html", result={"a": 1, "b": 2})
    assert text.split() == ["<ul>", "<li>a:", "1</li>", "<li>b:", "2</li>", "</ul>"]


def test_what_begins_like_css_or_markdown_is_text(app: Flask) -> None:
    """Jinja's manual suggests `%` and `#`, which would swallow both."""
    text = "# Heading\n#id { width: 50% }\n% a comment of another language"
    with app.app_context():
        assert app.jinja_env.from_string(text).render() == text
