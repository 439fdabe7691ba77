"""Chapter variable rules, in process."""

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("hello/<b>", "Hello &lt;b&gt;!"),
        ("blog/11", "Blog Number 11"),
        ("rev/1.1", "Revision Number 1.100000"),
        ("path/a/b", "Path a/b"),
    ],
)
def test_variable_part_is_converted_and_escaped(client: FlaskClient, path: str, text: str) -> None:
    assert client.get(f"/variables/{path}").text == text


@pytest.mark.parametrize("path", ["blog/abc", f"blog/{'9' * 5000}", "rev/1", f"rev/{'9' * 400}.0", "flask/"])
def test_what_is_no_number_or_no_address_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(f"/variables/{path}").status_code == 404
