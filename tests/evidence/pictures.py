"""Pictures of HTML, taken in Chromium."""

from pathlib import Path

from lib.course.chromium import chromium
from lib.settings import Settings

# Narrow, so that the type is large on a slide; the table then leaves out two columns.
PAGE = '<!doctype html><meta charset="utf-8"><body style="margin:16px;font-family:sans-serif;background:white">{}'


def take(settings: Settings, pages: dict[str, str], folder: Path) -> None:
    """Write a PNG of each page, {name: HTML}, at twice its size. StepError if there is no Chromium."""
    folder.mkdir(exist_ok=True)
    with chromium(settings) as browser:
        page = browser.new_page(viewport={"width": 400, "height": 300}, device_scale_factor=2)
        for name, html in pages.items():
            page.set_content(PAGE.format(html))
            page.screenshot(path=folder / f"{name}.png", full_page=True)
