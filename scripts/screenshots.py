"""The images of docs/looking.md: the page of a network in headless Chromium, and an SVG file.

Usage: python scripts/screenshots.py. Needs Chromium and Playwright.
"""

import pathlib
import shutil
import tempfile

import keras
from playwright.sync_api import sync_playwright

import surgery as sg

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs" / "pictures"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def grafted() -> tuple[sg.Graph, sg.Graph]:
    """tinyvgg, cut, frozen in part, with a new head; and its donor."""
    donor = sg.open("tinyvgg", weights="pretrained")
    graph = sg.freeze(sg.cut(donor, outputs="block3_pool"), "block1_*, block2_*")
    return sg.graft(graph, [keras.layers.Flatten(), keras.layers.Dense(5, name="digits")]), donor


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    graph, donor = grafted()
    sg.plot(graph, DOCS / "graft.svg", donor=donor)
    folder = pathlib.Path(tempfile.mkdtemp())
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)

        def opened(x, **options):
            page = browser.new_page(viewport={"width": 1200, "height": 720})
            page.goto(sg.plot(x, folder / "page.html", **options).as_uri())
            page.wait_for_selector("html[data-ready=yes]")
            return page

        page = opened(graph, donor=donor)
        page.locator('.node[aria-label^="block3_conv2,"]').click()
        page.screenshot(path=DOCS / "page-graft.png")
        page = opened(sg.open("resnet50"))
        page.fill("#where", "[stride=8] & :Conv2D")
        page.keyboard.press("Enter")
        page.select_option("#colour", "macs")
        page.screenshot(path=DOCS / "page-search.png")
        page = opened(sg.open("nasnetlarge"))
        page.emulate_media(color_scheme="dark")
        page.reload()
        page.wait_for_selector("html[data-ready=yes]")
        page.select_option("#colour", "stage")
        page.click("#whole")
        page.screenshot(path=DOCS / "page-nasnetlarge.png")
        page = opened(sg.diff(sg.open("vgg16"), sg.open("vgg19")))
        page.locator('.node[aria-label^="block3_conv4,"]').click()
        page.screenshot(path=DOCS / "page-diff.png")
        browser.close()


if __name__ == "__main__":
    main()
