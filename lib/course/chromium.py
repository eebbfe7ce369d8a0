"""Chromium, controlled by Playwright: it takes pictures of pages and prints them."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from lib.doctor import machine
from lib.errors import StepError
from lib.settings import Settings

# Nothing but what a page asks for: no update, no account. Root, as in a container, has no sandbox.
OPTIONS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run"
)


@contextmanager
def chromium(settings: Settings) -> Iterator[Browser]:
    """A running Chromium, closed at the end. StepError if this machine has none."""
    found = machine.browser(settings)
    if found.level != "good":
        raise StepError(f"Chromium is needed, and not found: {found.text}", found.remedy)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.text, args=OPTIONS.split())
        try:
            yield browser
        finally:
            browser.close()
