"""The deck in Chromium: without network, within its frame at two sizes, in both themes, and on paper."""

import re
import subprocess
import sys

import pytest

from lib.course.slides import HEIGHT, NOTEBOOK, WIDTH, write_slides
from lib.settings import ROOT
from tests.conftest import FOLDER

SIZES = [(1280, 720), (1920, 1080)]
SMALLEST = 20  # pixels of type, on a slide of 720
OUTSIDE = """() => {
  const slide = document.querySelector('section.present'), frame = slide.getBoundingClientRect(), outside = [];
  for (const part of slide.querySelectorAll('*')) {
    const box = part.getBoundingClientRect();
    if (!part.closest('aside') && box.width && (box.left < frame.left - 1 || box.right > frame.right + 1
        || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)) outside.push(part.outerHTML.slice(0, 200));
  }
  if (slide.scrollHeight > slide.clientHeight || slide.scrollWidth > slide.clientWidth) outside.push('it scrolls');
  return outside;
}"""
SMALL = """smallest => [...document.querySelectorAll('.slides section :not(aside, aside *)')].filter(part =>
  [...part.childNodes].some(node => node.nodeType === 3 && node.data.trim())
  && parseFloat(getComputedStyle(part).fontSize) < smallest).map(part => part.textContent)"""
PICTURES = "[...document.querySelectorAll('.slides img')].map(i => [i.alt, i.naturalWidth])"


@pytest.fixture(scope="module")
def deck():
    return write_slides(NOTEBOOK, FOLDER / "deck" / "defence.html")


@pytest.fixture
def opened(deck, browser):
    """Open the deck at a size and in a theme; the page notes what it asks for, and what goes wrong."""
    pages = []

    def opened(size=SIZES[0], theme="light"):
        page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
        pages.append(page)
        page.asked, page.errors = [], []
        page.on("request", lambda request: page.asked.append(request.url[:100]))
        page.on("console", lambda message: page.errors.append(message.text))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(deck.as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        return page

    yield opened
    for page in pages:
        page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size[1]))
def test_each_slide_fits_its_frame_without_network(opened, deck, size, theme):
    page = opened(size, theme)
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate("number => Reveal.slide(number)", number)
        assert page.evaluate(OUTSIDE) == [], f"slide {number + 1}"
        page.screenshot(path=folder / f"slide_{size[1]}_{theme}_{number + 1:02}.png")
    frame = page.locator("section.present").bounding_box()
    assert (round(frame["width"]), round(frame["height"])) == size, "it fills the screen"
    assert {url for url in page.asked if not url.startswith("data:")} == {deck.as_uri()} and page.errors == []


def test_the_type_is_large_and_each_picture_is_there_and_has_an_alternative_text(opened):
    page = opened()
    assert page.evaluate(SMALL, SMALLEST) == []
    pictures = page.evaluate(PICTURES)
    assert len(pictures) >= 8 and all(alt and width for alt, width in pictures), pictures


def test_the_key_t_changes_the_theme(opened):
    page = opened()
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.keyboard.press("t")
    assert page.evaluate(paper) != light
    page.keyboard.press("t")
    assert page.evaluate(paper) == light


def test_the_speaker_s_view_has_the_notes(opened):
    page = opened()
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    popup.value.get_by_text("Good morning.").wait_for()


def test_the_pdf_has_a_page_for_each_slide(opened, settings):
    slides = opened().evaluate("Reveal.getTotalSlides()")
    # In a process of its own: Playwright starts only once in this one.
    subprocess.run([sys.executable, "-m", "lib.course.slides"], check=True, stdout=subprocess.DEVNULL)
    pdf = (settings.build_dir / "slides" / "defence.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b(?!s)", pdf)) == slides
    [box] = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf))
    assert float(box[0]) / float(box[1]) == pytest.approx(WIDTH / HEIGHT, rel=0.01)
