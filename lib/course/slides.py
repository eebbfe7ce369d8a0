"""Slides (`make slides`): a notebook with slide metadata as one self-contained HTML file, and as a PDF.

reveal.js, from the package pyreveal, is in the file, and so is every picture: it needs no network. The outputs are the
committed ones. The code of a cell is hidden, unless it has the tag `shown`; such a cell has no output in the deck.
"""

import argparse
import re
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from PIL import Image
from rich.console import Console

from lib.course import notebook
from lib.course.chromium import chromium
from lib.errors import StepError, run
from lib.settings import Settings

NOTEBOOK = notebook.FOLDER / "09_defence.ipynb"
WIDTH, HEIGHT = 1280, 720  # pixels of a slide; reveal.js scales it to the window
PICTURE = notebook.FOLDER / "images" / "defence.png"
SHOWN = (  # in the picture
    "Decoupling: each reader has its own place",
    "Evidence: Spark is killed, the tweets wait",
    "Who checks the checker?",
    "The claims, each with its measurement",
)
TEMPLATE = Path(__file__).with_name("slides.html.jinja")


def reveal(name: str) -> str:
    """A file of reveal.js, such as "reveal.css", ready to be put into a page."""
    [package] = find_spec("pyreveal").submodule_search_locations
    text = (Path(package) / "revealjs" / "dist" / name).read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script")  # in a string of the program; it would end the page's own script


def write_slides(source: Path, result: Path) -> Path:
    """Write the deck of a notebook, with its pictures, to the HTML file `result`."""
    exporter = SlidesExporter(template_file=str(TEMPLATE), embed_images=True, exclude_anchor_links=True)
    about = {"metadata": {"name": source.stem, "path": str(source.parent)}, "width": WIDTH, "height": HEIGHT}
    style = TEMPLATE.with_name("slides.css").read_text(encoding="utf-8")
    about |= {"styles": [reveal("reset.css"), reveal("reveal.css"), style]}
    about |= {"scripts": [reveal("reveal.js"), reveal("plugin/notes.js")]}
    page, _ = exporter.from_notebook_node(nbformat.read(source, as_version=4), about)
    page = re.sub(r'<a href="[^":]+\.(?:md|ipynb)[^"]*">(.*?)</a>', r"\1", page)  # the deck is one file, wherever it is
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(page, encoding="utf-8")
    return result


def write_pdf(settings: Settings, deck: Path) -> Path:
    """Print a deck to a PDF beside it, a page for each slide; StepError if there is no Chromium."""
    with chromium(settings) as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(f"{deck.as_uri()}?print-pdf")
        page.wait_for_function("document.querySelectorAll('.pdf-page').length > 1")
        page.evaluate("document.fonts.ready")
        page.pdf(path=deck.with_suffix(".pdf"), prefer_css_page_size=True, print_background=True)
    return deck.with_suffix(".pdf")


def write_picture(settings: Settings, deck: Path, path: Path) -> Path:
    """Write a PNG of four slides, for the README; StepError if there is no Chromium."""
    wide, high, gap = WIDTH // 2, HEIGHT // 2, 4
    picture = Image.new("RGB", (2 * wide + 3 * gap, 2 * high + 3 * gap), "#c8d0d8")
    with chromium(settings) as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(deck.as_uri())
        page.wait_for_function("Reveal.isReady()")
        titles = page.evaluate("Reveal.getSlides().map(slide => slide.querySelector('h1, h2').textContent)")
        for place, title in enumerate(SHOWN):
            page.evaluate("number => Reveal.slide(number)", titles.index(title))
            slide = Image.open(BytesIO(page.screenshot())).convert("RGB").resize((wide, high))
            picture.paste(slide, (gap + place % 2 * (wide + gap), gap + place // 2 * (high + gap)))
    picture.quantize(200).save(path, optimize=True)
    return path


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.course.slides", description="Write the deck of the defence.")
    parser.add_argument("--picture", action="store_true", help=f"renew the README's {PICTURE.name}")
    options = parser.parse_args(argv)
    settings, console = Settings.from_environment(), Console(highlight=False, soft_wrap=True)
    deck = write_slides(NOTEBOOK, settings.folder("slides") / "defence.html")
    console.print(f"==> {deck}: arrow keys; S the speaker's view; T dark or light")
    try:
        console.print(f"==> {write_pdf(settings, deck)}")
        if options.picture:
            console.print(f"==> {write_picture(settings, deck, PICTURE)}")
    except StepError as error:
        console.print(f"==> no PDF: {error}")


if __name__ == "__main__":
    run(main)
