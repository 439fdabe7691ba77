"""Row L1 in the application: Flask's own limits of a form are 413, with a page, and nothing is stored."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

MULTIPART = "multipart/form-data; boundary=x"


def part(name: str, value: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"nm=" + b"x" * 500_001),
        (MULTIPART, part("nm", b"x" * 500_001) + b"--x--\r\n"),
        (MULTIPART, b"".join(part(f"n{number}", b"") for number in range(1001)) + b"--x--\r\n"),
    ],
    ids=["urlencoded field", "multipart field", "parts"],
)
def test_a_form_over_a_limit_is_413(client: FlaskClient, content_type: str, body: bytes, accept: str) -> None:
    response = client.post(
        "/request/result", data=body, content_type=content_type, headers={"Accept": accept}
    )
    assert response.status_code == 413
    assert response.mimetype == accept
    assert "413" in response.text


def test_a_form_below_the_limits_is_taken(client: FlaskClient) -> None:
    body = b"".join(part(f"n{number}", b"x") for number in range(1000)) + b"--x--\r\n"
    assert client.post("/request/result", data=body, content_type=MULTIPART).status_code == 200
    assert client.post("/request/result", data={"nm": "x" * 400_000}).status_code == 200
