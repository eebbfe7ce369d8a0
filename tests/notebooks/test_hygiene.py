"""What every committed notebook promises: its shape, its size, and that what it names is there."""

import ast
import inspect
import re
from itertools import pairwise
from pathlib import Path
from pkgutil import resolve_name
from statistics import median

import nbformat
import pytest

from lib.course.notebook import parameters
from lib.course.series import METADATA
from lib.settings import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
GLOSSARY = ROOT / "notebooks" / "GLOSSARY.md"
PAGES = [*NOTEBOOKS, GLOSSARY, *sorted(ROOT.glob("*.md"))]
DECK = ROOT / "notebooks" / "09_defence.ipynb"  # slides: with metadata and notes, and without exercises
TAGS = {"parameters", "solution", "nbval-ignore-output", "shown"}


def read(notebook: Path) -> nbformat.NotebookNode:
    return nbformat.read(notebook, as_version=4)


def markdown(page: Path) -> str:
    """The Markdown of a notebook or a page, without its code blocks."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        text = "\n\n".join(cell.source for cell in read(page).cells if cell.cell_type == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request) -> Path:
    return request.param


@pytest.fixture
def code(notebook) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(notebook).cells if cell.cell_type == "code"]


def test_the_series_is_numbered_without_a_gap():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{n:02}_" for n in range(len(NOTEBOOKS))]


def test_its_headings_tell_what_the_reader_will_do_and_has_done(notebook):
    cells = read(notebook).cells
    assert re.match(r"# \S.*\n\n!\[.+\]\(images/.+\.svg\)", cells[0].source), "a title and the pipeline's picture"
    opening = cells[1].source
    for words in ("What you will do.", "What you will learn.", "What you need.", "minutes"):
        assert words in opening
    assert "### In practice" in markdown(notebook) and "### What you have done" in cells[-1].source
    levels = [len(found) for found in re.findall(r"^(#+) ", markdown(notebook), re.MULTILINE)]
    assert levels.count(1) == 1 and all(b - a <= 1 for a, b in pairwise(levels))


def test_it_is_small(notebook, code):
    """Blank lines do not count, and neither do the cells of parameters and of imports, which are lists of names."""
    cells = [
        c for c in code if not (c.source.startswith(("import ", "from ")) or "parameters" in c.metadata.get("tags", []))
    ]
    lines = [sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in cells]
    slide_type = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in read(notebook).cells]
    assert 20 <= len(slide_type) - slide_type.count("notes") <= 45
    assert max(lines) <= 12 and median(lines) <= 9
    assert notebook.stat().st_size <= 300_000


def test_papermill_can_set_each_of_its_parameters(notebook, code):
    (cell,) = (cell for cell in code if "parameters" in cell.metadata.get("tags", []))
    assigned = {target.id for node in ast.parse(cell.source).body for target in node.targets}
    assert assigned == set(parameters(notebook))


@pytest.mark.parametrize("notebook", [path for path in NOTEBOOKS if path != DECK], indirect=True, ids=lambda p: p.stem)
def test_it_has_exercises_with_an_answer_that_is_judged(notebook, code):
    solutions = [n for n, cell in enumerate(code) if "solution" in cell.metadata.get("tags", [])]
    assert solutions
    for number in solutions:
        assert code[number].metadata["jupyter"] == {"outputs_hidden": True, "source_hidden": True}
        question = code[number - 1]
        (check,) = set(re.findall(r"check\.\w+\(", question.source))
        assert f"{check}" in code[number].source.partition("assert ")[2], "the solution goes through the same check"
        assert question.outputs[-1]["data"]["text/plain"].startswith("Not "), "it was committed without an answer"


def test_it_was_executed_once_from_top_to_bottom_without_an_error(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert any(output.output_type == "execute_result" or "data" in output for output in outputs)


def test_it_carries_nothing_of_the_machine_it_was_made_on(notebook):
    nb = read(notebook)
    assert nb.metadata == METADATA
    nbformat.validate(nb)
    allowed = {"tags", "jupyter", *(["slideshow"] if notebook == DECK else [])}
    for cell in nb.cells:
        assert set(cell.metadata) <= allowed and set(cell.metadata.get("tags", [])) <= TAGS
    assert not re.search(
        r"/(home|root|tmp|work|Users|private)/|[A-Z]:\\\\|" + re.escape(str(ROOT)), notebook.read_text()
    )


def test_most_of_its_outputs_are_compared(code):
    ignored = [cell for cell in code if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    assert len(ignored) <= 0.4 * len(code)


def test_what_its_code_takes_from_lib_is_there(code):
    names = {}
    trees = [ast.parse(re.sub(r"^(\s*)[!%].*", r"\1pass", cell.source, flags=re.MULTILINE)) for cell in code]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "lib":
            names |= {a.asname or a.name: resolve_name(f"{node.module}.{a.name}") for a in node.names}
    assert names
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            taken = names.get(node.value.id)
            if inspect.ismodule(taken) or inspect.isclass(taken):
                assert hasattr(taken, node.attr), f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_modules_that_its_text_names_are_there(page):
    """In prose, in a command and in a string of the code; a style sheet of matplotlib has such a name too."""
    text = page.read_text(encoding="utf-8")
    for name in set(re.findall(r"\blib(?:\.[A-Za-z_]\w*)+", text)):
        if not (ROOT / name.replace(".", "/")).with_suffix(".mplstyle").exists():
            resolve_name(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_its_links_and_pictures_are_there(page):
    for text, target in re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", markdown(page)):
        assert text, "a picture has an alternative text, a link has words"
        if not re.match(r"https?://|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target
    assert "<img" not in markdown(page)


def test_the_glossary_is_in_alphabetical_order_and_explains_each_term_once():
    """A term in lower case is also its anchor, with hyphens, wherever the page is shown."""
    entries = re.findall(r"^### (.+)\n\n((?:(?!#).+\n)+)", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    terms = [term for term, _ in entries]
    assert terms == re.findall(r"^##+ (.+)", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE), "each has a text"
    assert all(re.fullmatch(r"[a-z]+([ -][a-z]+)*", term) for term in terms)
    assert anchors() == sorted(set(anchors()))
    for term, text in entries:
        assert re.search(r"Lesson (\d\d|\[\d\d\]\(\d\d_\w+\.ipynb\))\.$", text), f"{term}: a lesson explains it"


def anchors() -> list[str]:
    """Of the glossary's terms, in its order."""
    return [term.replace(" ", "-") for term in re.findall(r"^### (.+)", GLOSSARY.read_text("utf-8"), re.MULTILINE)]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_terms_that_it_links_are_in_the_glossary(page):
    place = "" if page == GLOSSARY else r"[^)\s]*GLOSSARY\.md"
    linked = set(re.findall(rf"\({place}#([^)]+)\)", markdown(page)))
    assert linked <= set(anchors()), linked - set(anchors())
    if page in NOTEBOOKS:
        assert len(linked) >= 5
