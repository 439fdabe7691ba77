"""Chapter application, in process."""

import re
from html import unescape

from flask.testing import FlaskClient


def test_smallest_view_answers(client: FlaskClient) -> None:
    assert client.get("/application/hello").text == "Hello World"


def test_page_shows_its_own_source(client: FlaskClient) -> None:
    text = re.sub("<[^>]+>", "", client.get("/application/").text)
    assert '@chapter.get("/hello")' in unescape(text)
