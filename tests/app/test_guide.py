"""What holds for the page of every chapter: read the pages as a browser does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.guide import CHAPTERS
from app.guide.chapter import Chapter

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
UNLABELLED = {"hidden", "submit", "reset", "button", "image"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, *tags: str) -> Iterator[Element]:
        """All elements below this one, of these tags where some are named."""
        for child in self.children:
            if not tags or child.tag in tags:
                yield child
            yield from child.all(*tags)


class Tree(HTMLParser):
    """The page as a tree; fails where a tag is closed that is not the open one."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.feed(page)
        self.close()
        assert [element.tag for element in self.open] == [""], "a tag is left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].text += data


@pytest.fixture
def app(app: Flask) -> Flask:
    """The application with its protection on: the tokens of forms are among what is looked at."""
    app.config["WTF_CSRF_ENABLED"] = True
    return app


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.slug)
def chapter(request: pytest.FixtureRequest) -> Chapter:
    assert isinstance(request.param, Chapter)
    return request.param


@pytest.fixture
def html(chapter: Chapter, client: FlaskClient) -> str:
    response = client.get(f"/{chapter.slug}/")
    assert response.status_code == 200
    return response.text


@pytest.fixture
def page(html: str) -> Element:
    return Tree(html).root


def test_title_source_and_served_by_are_on_the_page(chapter: Chapter, html: str, page: Element) -> None:
    assert [heading.text for heading in page.all("h1")] == [chapter.title]
    assert [title.text for title in page.all("title")] == [f"{chapter.title} · Flask, deployed"]
    assert f'"{chapter.slug}",' in unescape(re.sub("<[^>]+>", "", html)), "the source names the slug"
    assert re.search(r'id="served-by">Served by <b>none</b> through <b>in process</b> to', html)


def test_every_form_by_post_carries_the_token(page: Element) -> None:
    for form in page.all("form"):
        tokens = [each for each in form.all("input") if each.attributes.get("name") == "csrf_token"]
        by_post = (form.attributes.get("method") or "get").lower() == "post"
        assert len(tokens) == (1 if by_post else 0)
        assert all(token.attributes["value"] for token in tokens)


def test_every_field_has_a_label_and_every_id_is_one(page: Element) -> None:
    ids = [each.attributes["id"] for each in page.all() if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    labelled = {label.attributes.get("for") for label in page.all("label")} - {None}
    assert labelled <= set(ids)
    wrapped = [id(each) for label in page.all("label") for each in label.all("input", "select", "textarea")]
    for control in page.all("input", "select", "textarea"):
        if control.attributes.get("type") not in UNLABELLED:
            assert control.attributes.get("id") in labelled or id(control) in wrapped, control
    for button in page.all("button"):
        assert button.text.strip() or button.attributes.get("aria-label"), button


def test_nothing_on_the_page_is_forbidden_by_the_policy(page: Element) -> None:
    """Inline handlers and styles would be refused by the browser, silently for the visitor."""
    for element in page.all():
        assert not [name for name in element.attributes if name.startswith("on")], element
        assert "style" not in element.attributes, element
        assert element.tag != "style" or element.attributes.get("nonce"), element
        if element.tag == "script":
            assert element.attributes.get("src") or element.attributes.get("nonce"), element


def test_every_heading_follows_its_parent(page: Element) -> None:
    levels = [int(each.tag[1]) for each in page.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_leads_to_its_neighbours_and_to_all_chapters(chapter: Chapter, page: Element) -> None:
    place = CHAPTERS.index(chapter)
    for rel, neighbour in (("prev", place - 1), ("next", place + 1)):
        links = {each.attributes["href"] for each in page.all("a") if each.attributes.get("rel") == rel}
        assert links == ({f"/{CHAPTERS[neighbour].slug}/"} if 0 <= neighbour < len(CHAPTERS) else set())
    menu = next(page.all("details"))
    assert [each.attributes["href"] for each in menu.all("a")] == [f"/{each.slug}/" for each in CHAPTERS]
    current = [each.text for each in menu.all("a") if "aria-current" in each.attributes]
    assert current == [chapter.title]


def test_every_address_on_the_page_exists(app: Flask, client: FlaskClient, page: Element) -> None:
    """A link must lead to a rule; those that show a 404 on purpose are on the pages of two chapters."""
    adapter = app.url_map.bind("localhost")
    for link in page.all("a"):
        href = link.attributes["href"] or ""
        if href.startswith("/") and not href.startswith(("/variables/", "/errors/")):
            assert adapter.test(unescape(href.split("?")[0])), href
    for element in page.all("script", "link", "img"):
        address = element.attributes.get("src") or element.attributes.get("href")
        if address and "/vendor/" not in address:
            with client.get(address) as response:
                assert response.status_code == 200, address


def test_the_index_lists_all_chapters_in_order(client: FlaskClient) -> None:
    page = Tree(client.get("/").text).root
    cards = next(each for each in page.all("ol") if each.attributes.get("id") == "chapters")
    links = [(each.attributes["href"], each.text) for each in cards.all("a")]
    assert links == [(f"/{chapter.slug}/", chapter.title) for chapter in CHAPTERS]


def test_colours_of_the_source_are_there_for_light_and_dark(client: FlaskClient) -> None:
    response = client.get("/highlight.css")
    assert response.mimetype == "text/css"
    light, dark = response.text.split("@media (prefers-color-scheme: dark)")
    assert ".highlight .k" in light
    assert ".highlight .k" in dark
