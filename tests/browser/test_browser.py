"""The application as a person meets it, in a real browser, behind each front end."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.profiles import ROOT
from tests.stacks import Stack

pytestmark = [pytest.mark.production, pytest.mark.shared, pytest.mark.xdist_group("browser")]

SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
SLUGS = [
    re.search(r'Chapter\(\s*"([a-z-]+)"', module.read_text(encoding="utf-8"))[1]  # type: ignore[index]
    for module in sorted((ROOT / "app/guide").glob("*.py"))
    if module.name not in {"__init__.py", "chapter.py"}
]


def alerts(page: Page) -> list[str]:
    """Accept every alert of the page; the list fills with their texts."""
    texts: list[str] = []

    def accept(dialog: Dialog) -> None:
        texts.append(dialog.message)
        dialog.accept()

    page.on("dialog", accept)
    return texts


@pytest.mark.parametrize("slug", ["", *SLUGS])
def test_page_is_shown_without_a_complaint(page: Page, slug: str) -> None:
    """The console is clean (conftest), the style sheet is there, a phone needs no sideways scrolling."""
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"/{slug}/" if slug else "/")
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).getPropertyValue('--pico-color') !== ''")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_every_chapter_is_found_from_the_index(page: Page) -> None:
    page.goto("/")
    links = page.locator("main a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    assert {f"/{slug}/" for slug in SLUGS} <= set(links)
    assert len(SLUGS) == 20


def test_dark_mode_is_dark(browser: Browser, base_url: str) -> None:
    shades = {}
    for scheme in SCHEMES:
        context = browser.new_context(base_url=base_url, color_scheme=scheme)
        page = context.new_page()
        page.goto("/")
        background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        shades[scheme] = sum(int(n) for n in re.findall(r"\d+", background)[:3])
        context.close()
    assert shades["dark"] < 200 < 600 < shades["light"]


def test_static_button_greets(page: Page) -> None:
    said = alerts(page)
    page.goto("/static-files/")
    page.get_by_role("button", name="Say Hello").click()
    assert said == ["Hello World"]


def test_sijax_button_greets(page: Page) -> None:
    said = alerts(page)
    page.goto("/sijax/hello")
    with page.expect_event("dialog"):
        page.get_by_role("button", name="Say hi").click()
    assert said == ["Hi there!"]


def test_sijax_comet_moves_the_progress_step_by_step(page: Page) -> None:
    page.goto("/sijax/hello")
    page.evaluate(
        """() => {
            window.seen = [];
            const bar = document.querySelector('progress');
            new MutationObserver(() => seen.push([performance.now(), bar.value]))
                .observe(bar, {attributes: true});
            window.poll = setInterval(() => {
                if (!seen.length || seen.at(-1)[1] !== bar.value) seen.push([performance.now(), bar.value]);
            }, 5);
        }"""
    )
    page.get_by_role("button", name="Start").click()
    expect(page.locator("progress")).to_have_js_property("position", 1)
    seen = page.evaluate("seen.filter(([, value]) => value > 0)")
    values = [value for _, value in seen]
    assert values == sorted(values)
    assert len(set(values)) >= 4, "the steps came one by one"
    assert seen[-1][0] - seen[0][0] > 300, "and not all at the end"


def test_sijax_list_grows_and_escapes(page: Page) -> None:
    page.goto("/sijax/hello")
    text = f"<b>{uuid.uuid4().hex}</b>"
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text(text)).to_be_visible()


def test_sijax_upload_answers_in_the_page(page: Page, sample: Path) -> None:
    page.goto("/sijax/hello")
    page.locator("input[type=file]").set_input_files(sample)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("main")).to_contain_text(sample.name)


def test_uploaded_file_is_listed_and_comes_back(page: Page, sample: Path) -> None:
    page.goto("/uploads/upload")
    page.locator("input[type=file]").set_input_files(sample)
    page.locator("form button").click()
    expect(page.locator("body")).to_contain_text("file uploaded successfully")
    page.goto("/uploads/")
    with page.expect_download() as download:
        page.get_by_role("link", name=sample.name).click()
    assert download.value.path().read_text(encoding="utf-8") == "a few words"


def test_mail_is_seen_in_the_catchers_page(page: Page, stack: Stack) -> None:
    subject = f"Hello {uuid.uuid4().hex[:8]}"
    page.goto("/mail/")
    page.get_by_label("To", exact=True).fill("ann@example.org")
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("Text").fill("A few words.")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("main")).to_contain_text("Sent")
    other = page.context.browser.new_page()  # type: ignore[union-attr]
    other.goto(stack.mail_url)
    expect(other.get_by_text(subject).first).to_be_visible()
    other.close()


def test_contact_form_names_what_is_missing(page: Page) -> None:
    page.goto("/wtf/contact")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Please enter your name.")).to_be_visible()
    expect(page.get_by_text("Please enter your email address.")).to_be_visible()
    invalid = page.locator("[aria-invalid=true]").first
    described = invalid.get_attribute("aria-describedby")
    assert described
    expect(page.locator(f"#{described.split()[0]}")).to_be_visible()


def test_form_can_be_sent_with_the_keyboard_alone(page: Page) -> None:
    page.goto("/methods/")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "nm":
            break
    outline = page.evaluate(
        "(s => s.outlineStyle !== 'none' || s.boxShadow !== 'none')(getComputedStyle(document.activeElement))"
    )
    assert outline, "the focus is visible"
    page.keyboard.type("Ann")
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_contain_text("welcome Ann")


def test_first_tab_skips_to_the_content(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
