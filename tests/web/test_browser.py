"""The pages in a real browser, served by the real command, with the real encoder; no JavaScript runs."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

_CHROMIUM = shutil.which("chromium")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_QUESTION = "How much honey did the Pottle Lane bees make last summer?"
_ANSWERS = "/?" + urlencode({"q": _QUESTION})
_NO_ANSWER = "/?" + urlencode({"q": "Which team won the football World Cup in 2018?"})
_PAGES = (
    "/",
    "/?path=news&k=3",
    _ANSWERS,
    _NO_ANSWER,
    "/?q=",
    "/documents",
    "/documents?path=science&updated=18&changes=2",
    "/documents/handbook/bicycle-workshop-terms.txt?start=0&end=90",
    "/documents/places/museum-of-measures.html",
    "/documents/nowhere.md",
    "/feedback",
    "/errors",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.model,
    pytest.mark.skipif(_CHROMIUM is None, reason="no `chromium` is installed to open the pages in"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = Path(__file__).parents[2]
    index = tmp_path_factory.mktemp("browser") / "index"
    command = [sys.executable, "serve.py", "--documents", "documents", "--index", str(index), "--port", "0"]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        said = []
        try:
            for line in service.stderr:
                said.append(line)
                if address := re.search(r"http://[\d.]+:\d+", line):
                    with urlopen(f"{address[0]}/api/v1/health", timeout=10) as health:
                        assert json.load(health)["status"] == "ok"
                    yield address[0]
                    return
            pytest.fail("the service ended: " + "".join(said))
        finally:
            service.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, base: str) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=base, java_script_enabled=False)
    context.set_default_timeout(30_000)  # the first question waits for the models
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def _style(locator: Locator, name: str) -> str:
    # Playwright's own scripts run where the page's may not.
    return str(locator.evaluate("(element, name) => getComputedStyle(element)[name]", name))


def test_a_question_asked_through_the_form_shows_the_quote_inside_its_passage(page):
    page.goto("/")
    page.get_by_label("Your question").fill(_QUESTION)
    page.get_by_role("button", name="Ask").click()
    mark, passage = page.locator("mark").first, page.locator("blockquote").first
    expect(mark).to_be_visible()
    expect(mark).to_contain_text("73 kilograms")
    inner, outer = mark.bounding_box(), passage.bounding_box()
    assert inner["x"] >= outer["x"]
    assert inner["y"] >= outer["y"] - 2
    assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
    assert inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 2


def test_a_quote_is_marked_by_more_than_its_colour(page):
    page.goto(_ANSWERS)
    assert _style(page.locator("mark").first, "textDecorationLine") == "underline"
    assert _style(page.locator("mark").first, "backgroundColor") != _style(
        page.locator("article").first, "backgroundColor"
    )


def test_the_answer_leads_to_its_place_in_the_document(page, base):
    with urlopen(f"{base}/api/v1/ask?{urlencode({'question': _QUESTION})}") as response:
        citation = json.load(response)["answers"][0]["citation"]
    page.goto(_ANSWERS)
    page.locator("article").first.get_by_role("link").click()
    page.wait_for_url("**" + citation["url"])
    expect(page.locator("mark")).to_be_in_viewport(ratio=1)
    assert page.locator("mark").evaluate("mark => mark.textContent") == citation["quote"]


def test_a_span_far_down_a_document_is_scrolled_to_and_not_hidden_at_the_edge(page, base):
    with urlopen(f"{base}/api/v1/documents/handbook/observatory-safety.md") as response:
        end = json.load(response)["n_characters"] // 2
    page.goto(f"/documents/handbook/observatory-safety.md?start={end - 40}&end={end}#span")
    expect(page.locator("mark")).to_be_in_viewport(ratio=1)
    assert page.evaluate("scrollY") > 0
    assert page.locator("mark").bounding_box()["y"] > 100


def test_a_question_can_be_asked_by_keyboard_alone(page):
    page.goto(_ANSWERS)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.locator(":focus").get_attribute("name") == "q":
            break
    page.keyboard.press("Control+A")
    page.keyboard.type("How many rivets are there in the Forth Bridge?")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=How+many**")
    expect(page.get_by_role("heading", level=1)).to_contain_text("How many rivets are there in the Forth Bridge?")


def test_the_skip_link_comes_first_and_leads_to_the_content(page):
    page.goto("/documents")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    expect(page.locator(":focus")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.locator("main :focus").count() == 1


def test_whatever_has_the_focus_of_the_keyboard_has_a_ring_around_it(page):
    page.goto(_ANSWERS)
    for _ in range(10):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        assert _style(focused, "outlineStyle") == "solid", focused.evaluate("element => element.outerHTML")
        assert _style(focused, "outlineWidth") == "3px"


def test_the_start_page_waits_for_a_question(page):
    page.goto("/")
    expect(page.get_by_label("Your question")).to_be_focused()


@pytest.mark.parametrize("path", _PAGES)
def test_no_page_scrolls_sideways_on_a_narrow_phone(page, path):
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("path", ["/", _ANSWERS, "/documents"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_against_its_ground_in_both_schemes(page, path, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(path)
    pairs = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
            .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
            .map(element => {
                let ground = element;
                while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
                return [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor, element.outerHTML];
            })"""
    )
    assert len(pairs) > 10
    for ink, ground, element in pairs:
        assert _contrast(ink, ground) >= 4.5, (ink, ground, element[:200])


def _contrast(ink: str, ground: str) -> float:
    """WCAG 2.2's contrast ratio, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    lighter, darker = sorted((_luminance(ink), _luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_dark_scheme_has_another_ground(page):
    page.goto("/")
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        grounds.append(_luminance(_style(page.locator("html"), "backgroundColor")))
    assert grounds[0] > 0.8
    assert grounds[1] < 0.05


def test_a_question_that_the_documents_do_not_answer_is_said_to_be_one(page):
    page.goto(_NO_ANSWER)
    expect(page.get_by_role("heading", level=1)).to_have_text("The documents do not say.")
    assert page.locator("mark").count() == 0
    expect(page.get_by_role("heading", name="Nearest passages")).to_be_visible()


def test_the_button_updates_the_index_and_says_so(page):
    page.goto("/documents")
    page.get_by_role("button", name="Update the index now").click()
    expect(page.get_by_role("status")).to_contain_text("The index is up to date: 0 changes")


def test_a_correction_is_kept_thanked_for_and_taken_back(page):
    page.goto(_ANSWERS)
    page.get_by_text("Give the right answer").click()
    page.get_by_label("The right answer").fill("seventy-three kilograms")
    page.get_by_label("The right answer").press("Enter")
    page.wait_for_url("**&judged=*#feedback")
    expect(page.get_by_role("status")).to_contain_text("wrong, with what would be right")
    expect(page.get_by_role("status")).to_be_in_viewport()
    page.get_by_role("link", name="take it back").click()
    expect(page.get_by_text("seventy-three kilograms")).to_be_visible()
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("status")).to_have_text("It was taken back.")
    assert page.get_by_text("seventy-three kilograms").count() == 0


def test_no_page_asks_for_anything_that_is_refused_or_elsewhere(page, base):
    requested: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("response", lambda response: complaints.append(response.url) if response.status >= 400 else None)
    page.on("console", lambda message: complaints.append(message.text))
    for path in ("/", _ANSWERS, "/documents", "/errors"):
        page.goto(path)
    assert all(url.startswith(base) for url in requested)
    assert complaints == []
