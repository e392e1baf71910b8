"""Takes the pictures in docs/images/ anew: `python docs/take_screenshots.py`. Needs Chromium.

It serves the sample documents from an index of its own, so that a picture shows what a fresh
installation shows.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"

QUESTION = "When did Macron meet Putin?"
DEEP_QUESTION = "Who was the first seriously ill person to be given penicillin?"
"""Its answer stands far down a document."""
UNANSWERABLE = "Which horse won the Grand National in 1998?"
_BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture.

    Attributes:
        path: Of the page, with its query.
        width, height: Of the window, in CSS pixels.
        scale: Picture pixels per CSS pixel.
    """

    name: str
    path: str
    width: int = 1200
    height: int = 800
    scale: int = 1
    is_dark: bool = False


def main() -> None:
    """Take all pictures."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("no Chromium is installed: install it, as in `apt install chromium`")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as index, _serving(Path(index)) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(_BROWSER_FLAGS))
        for shot in _shots(base):
            picture = _take(browser, base, shot)
            print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size / 1000:.0f} kB")
        page = _evaluation(Path(index))
        _take(browser, page.as_uri(), Shot("evaluation-page", "", height=1700))
        browser.close()


def _evaluation(index: Path) -> Path:
    """Return the page of an evaluation on the golden set."""
    page = index / "evaluation.html"
    arguments = ["eval", "tests/golden/questions.json", "--index", str(index), "--html", str(page)]
    command = [sys.executable, "-c", "from serve import citespan; citespan()", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return page


def _shots(base: str) -> tuple[Shot, ...]:
    asked = "/?" + urlencode({"q": QUESTION})
    with urlopen(f"{base}/api/v1/ask?{urlencode({'question': DEEP_QUESTION})}") as response:  # noqa: S310 -- our own service
        document = json.load(response)["answers"][0]["citation"]["url"]
    return (
        Shot("start", "/"),
        Shot("answer", asked),
        Shot("explained", asked + "&explain=1#why"),
        Shot("document", document),
        Shot("no-answer", "/?" + urlencode({"q": UNANSWERABLE})),
        Shot("documents", "/documents?path=science"),
        Shot("answer-phone", asked, width=390, height=800, scale=2),
        Shot("answer-dark", asked, is_dark=True),
    )


def _take(browser: Browser, base: str, shot: Shot) -> Path:
    page = browser.new_page(
        viewport={"width": shot.width, "height": shot.height},
        device_scale_factor=shot.scale,
        color_scheme="dark" if shot.is_dark else "light",
    )
    page.goto(base + shot.path)
    picture = IMAGES / f"{shot.name}.png"
    page.screenshot(path=picture)
    page.close()
    return picture


@contextmanager
def _serving(index: Path) -> Iterator[str]:
    """Serve the sample documents on a free port; yield the address."""
    command = [sys.executable, "serve.py", "--index", str(index), "--port", "0"]
    service = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert service.stderr is not None
        # It greets when it listens.
        address = next(filter(None, (re.search(r"http://[\d.]+:\d+", line) for line in service.stderr)))
        yield address[0]
    finally:
        service.terminate()
        service.wait(timeout=10)


if __name__ == "__main__":
    main()
