"""Static site (`make site`): lessons, deck, results and glossary as pages to publish, in build/site.

The lessons are the committed notebooks with their outputs. A page is where its source is in the project, so that the
links between them stay right. No page needs another file, except the deck's PDF.
"""

import argparse
import re
import shutil
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from nbconvert import HTMLExporter
from rich.console import Console

from lib.course import notebook, slides
from lib.errors import StepError, run
from lib.settings import ROOT, Settings

TEXTS = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docker/README.md", "notebooks/GLOSSARY.md",
    "tests/faults/RESULTS.md", "tests/benchmarks/RESULTS.md",
)  # fmt: skip
PICTURES = ("notebooks/images/live_table.gif", "notebooks/images/defence.png")
DECK = "deck/defence.html"
LINK = re.compile(r'(<a\b[^>]*?href=")([^"]+)"')


def write_site(settings: Settings, site: Path, console: Console) -> Path:
    """Write all pages into the folder `site`, which is emptied first, and return its index."""
    shutil.rmtree(site, ignore_errors=True)
    sources = [*notebook.FOLDER.glob("[0-9][0-9]_*.ipynb"), *(ROOT / name for name in TEXTS)]
    pages = {source: site / source.relative_to(ROOT).with_suffix(".html") for source in sorted(sources)}
    for source, page in pages.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(to_html(source), encoding="utf-8")
    anchors = {page: Targets(page).anchors for page in pages.values()}
    for source, page in pages.items():
        link(source, page, pages, anchors)
    for picture in PICTURES:
        (site / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / picture, site / picture)
    deck = slides.write_slides(slides.NOTEBOOK, site / DECK)
    try:
        slides.write_pdf(settings, deck)
    except StepError as error:
        console.print(f"==> no PDF of the deck: {error}")
    return write_index(site, pages)


def to_html(source: Path) -> str:
    """The page of a notebook or a Markdown file, with its pictures in it."""
    if source.suffix == ".md":
        cell = nbformat.v4.new_markdown_cell(source.read_text(encoding="utf-8"))
        book = nbformat.v4.new_notebook(cells=[cell])
    else:
        book = nbformat.read(source, as_version=4)
    about = {"metadata": {"name": source.stem, "path": str(source.parent)}}
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(book, about)
    return page


def link(source: Path, page: Path, pages: dict[Path, Path], anchors: dict[Path, list[str]]) -> None:
    """Make the links of a page lead to the pages of their targets, and to the headings as these are written there."""

    def rewritten(found: re.Match) -> str:
        path, hash_, anchor = unquote(found[2]).partition("#")
        target = (source.parent / path).resolve() if path else source
        if re.match(r"\w+:", found[2]) or target not in pages:
            return found[0]
        if hash_:
            anchor = next((each for each in anchors[pages[target]] if slug(each) == slug(anchor)), anchor)
        name = Path(path).with_suffix(".html").as_posix() if path else ""
        return f'{found[1]}{name}{hash_}{anchor}"'

    page.write_text(LINK.sub(rewritten, page.read_text(encoding="utf-8")), encoding="utf-8")


def write_index(site: Path, pages: dict[Path, Path]) -> Path:
    """Write index.html: the deck, the lessons with their titles, the results and the other texts."""
    lessons = [
        {"href": page.relative_to(site).as_posix(), "name": source.stem, "title": title(source)}
        for source, page in pages.items()
        if source.suffix == ".ipynb"
    ]
    texts = {
        name: pages[ROOT / path].relative_to(site).as_posix()
        for name, path in {
            "Results of the faults": "tests/faults/RESULTS.md", "Benchmarks": "tests/benchmarks/RESULTS.md",
            "Glossary": "notebooks/GLOSSARY.md", "Manual": "README.md",
        }.items()
    }  # fmt: skip
    loader = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    pdf = (site / DECK).with_suffix(".pdf")
    words = {"lessons": lessons, "texts": texts, "deck": DECK, "pictures": PICTURES}
    words["pdf"] = pdf.relative_to(site).as_posix() if pdf.exists() else ""
    index = site / "index.html"
    index.write_text(templates.get_template("site.html.jinja").render(words), encoding="utf-8")
    return index


def title(source: Path) -> str:
    """The first heading of a notebook."""
    return nbformat.read(source, as_version=4).cells[0].source.splitlines()[0].lstrip("# ")


def slug(anchor: str) -> str:
    """An anchor as code hosts write it: in lower case, without punctuation."""
    return re.sub(r"[^\w-]", "", anchor.lower())


class Targets(HTMLParser):
    """The links and pictures of a page, and its anchors; what a script has is text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.links += [
            found[name] for name in ("href", "src") if tag in ("a", "img", "script", "link") and found.get(name)
        ]
        self.anchors += [found["id"]] if found.get("id") else []


def broken_links(site: Path) -> Iterator[str]:
    """The links and pictures of the pages whose file or anchor is not in the site, each with its page."""
    pages = {page: Targets(page) for page in site.resolve().rglob("*.html")}
    for page, targets in pages.items():
        for target in targets.links:
            path, _, anchor = unquote(target).partition("#")
            if re.match(r"(https?|data|mailto):", target):
                continue
            file = (page.parent / path).resolve() if path else page
            if not file.exists() or (anchor and file in pages and anchor not in pages[file].anchors):
                yield f"{page.relative_to(site.resolve())}: {target}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.course.site", description="Write the course as a static site.")
    parser.parse_args(argv)
    settings, console = Settings.from_environment(), Console(highlight=False, soft_wrap=True)
    site = settings.build_dir / "site"
    index = write_site(settings, site, console)
    broken = list(broken_links(site))
    console.print("\n".join([*(f"broken link in {each}" for each in broken), f"==> {index}"]))
    return int(bool(broken))


if __name__ == "__main__":
    run(main)
