"""Chapter message flashing, in process."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

SUCCESS = "You were successfully logged in"


def test_the_page_asks_three_times_and_no_message_is_lost(client: FlaskClient) -> None:
    client.post("/flashing/login", data={"username": "admin", "password": "admin"})
    page = client.get("/flashing/").text
    assert page.count(f">info: {SUCCESS}<") == 2
    assert SUCCESS + "</p>" not in client.get("/flashing/").text


def test_a_wrong_password_is_never_sent_back(client: FlaskClient) -> None:
    page = client.post("/flashing/login", data={"username": "ann", "password": "s3cret"}).text
    assert "Invalid username or password. Please try again!" in page
    assert 'value="ann"' in page
    assert "s3cret" not in page


def test_a_category_of_the_visitor_s_own_is_refused(client: FlaskClient) -> None:
    response = client.post("/flashing/message", data={"message": "x", "category": '"><i>mine'})
    assert response.status_code == 400
    assert '"><i>mine' not in response.text


@pytest.mark.parametrize("fields", [{}, {"username": "admin"}, {"username": "admin", "password": "Admin"}])
def test_a_wrong_login_flashes_nothing(client: FlaskClient, fields: dict[str, str]) -> None:
    assert "Invalid username or password." in client.post("/flashing/login", data=fields).text
    assert SUCCESS + "</p>" not in client.get("/flashing/").text
