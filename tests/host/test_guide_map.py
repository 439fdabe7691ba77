"""docs/guide-map.md names all that the guide does, in its order, and leads to what is there."""

from __future__ import annotations

import re

import pytest

from app.guide import CHAPTERS
from tests.profiles import PROFILES, ROOT

MAP = (ROOT / "docs/guide-map.md").read_text(encoding="utf-8")
PAGES = ["docs/guide-map.md", "docs/hosted.md"]

HEADINGS = """
    Overview
    What is Web Framework?
    What is Flask?
    WSGI
    Werkzeug
    Jinja2
    Environment
    Prerequisite
    Install virtualenv for development environment
    Application
    Debug mode
    Routing
    Variable Rules
    URL Building
    HTTP methods
    Templates
    Static Files
    Request Object
    Sending Form Data to Template
    Cookies
    Sessions
    Redirect & Errors
    Message Flashing
    File Uploading
    Extensions
    Mail
    Mail class
    Methods of Mail class
    Message class
    Message class methods
    WTF
    SQLite
    SQLAlchemy
    What is ORM (Object Relation Mapping)?
    Sijax
    Installation
    Configuration
    Sijax Application
    Deployment
    Externally Visible Server
    Deployment
    mod_wsgi
    Installing mod_wsgi
    Creating .wsgi file
    Configuring Apache
    Standalone WSGI containers
    FastCGI
    Configuring FastCGI
    Configuring Apache (FastCGI)
    Configuring lighttpd
"""
SYSTEMS = [
    "Apache", "mod_wsgi", "mod_wsgi-express", "nginx", "lighttpd", "Cherokee", "FastCGI", "flup",
    "Gunicorn", "Tornado", "Gevent", "Twisted Web", "development server",
    "Heroku", "dotcloud", "webfaction", "Google cloud platform", "Localtunnel",
]  # fmt: skip
ENDED = [
    "Python 2", "virtualenv", "Pocco", "Flask Extension Registry", "flask.ext", "flaskext_compat", "app.run",
    "escape", "secure_filename", "MAX_CONTENT_PATH", "TextField", "Required", "iteritems", "print",
    "Flask-Sijax", "jQuery", "json2.js", "smtp.gmail.com", "Order deny,allow", "VirtualHost",
]  # fmt: skip


def first_cells(section: str) -> list[str]:
    """Return the first cell of each row of a section's table."""
    found = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", MAP, re.M | re.S)
    assert found
    rows = [
        line.split(" | ")[0].removeprefix("| ") for line in found[1].splitlines() if line.startswith("| ")
    ]
    return rows[1:]


def test_every_heading_of_the_guide_is_there_in_its_order() -> None:
    named = [name for cell in first_cells("Chapters") for name in cell.replace("**", "").split(" · ")]
    assert named == [line.strip() for line in HEADINGS.strip().splitlines()]


def test_every_chapter_s_address_is_there() -> None:
    addresses = re.findall(r"`/([a-z-]+)/`", MAP)
    assert set(addresses) == {chapter.slug for chapter in CHAPTERS}


@pytest.mark.parametrize(
    ("section", "names"), [("Servers and platforms", SYSTEMS), ("Names that have changed", ENDED)]
)
def test_every_name_of_the_guide_is_there(section: str, names: list[str]) -> None:
    cells = " | ".join(first_cells(section))
    assert [name for name in names if name not in cells] == []


def test_every_profile_is_there() -> None:
    assert [name for name in PROFILES if f"`{name}`" not in MAP] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_what_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        file = (ROOT / page).parent / path
        assert file.is_file(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in [re.sub(r"[^a-z -]", "", name.lower()).replace(" ", "-") for name in headings], (
                link
            )
