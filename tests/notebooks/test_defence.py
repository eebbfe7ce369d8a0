"""The deck of the defence: its form, and its demo where no pipeline can run."""

import re

import nbformat
import pytest

from lib.course import notebook
from lib.course.slides import NOTEBOOK

CELLS = nbformat.read(NOTEBOOK, as_version=4).cells
MOST_WORDS = 35


def kind(cell) -> str:
    return cell.metadata.slideshow.slide_type


def slides() -> list[list]:
    """The cells of each slide."""
    found = []
    for cell in CELLS:
        if kind(cell) == "slide":
            found.append([])
        if kind(cell) != "skip":
            found[-1].append(cell)
    return found


def text(cell) -> str:
    """A Markdown cell's words: no pictures, no signs."""
    return re.sub(r"!\[.*?\]\(.*?\)|[#*|-]", " ", cell.source)


@pytest.mark.parametrize("cells", slides(), ids=lambda cells: text(cells[0]).split("\n")[0].strip())
def test_a_slide_has_one_heading_few_words_notes_and_no_number_typed_by_hand(cells):
    assert [bool(re.match("##? ", cell.source)) for cell in cells] == [True] + [False] * (len(cells) - 1)
    shown = [cell for cell in cells if cell.cell_type == "markdown" and kind(cell) != "notes"]
    assert not re.search(r"\d", " ".join(map(text, shown)))
    assert sum(len(text(cell).split()) for cell in shown) <= MOST_WORDS
    assert [kind(cell) for cell in cells].count("notes") == 1 and kind(cells[-1]) == "notes"
    assert 30 <= len(cells[-1].source.split()) <= 150, "what can be said in a minute"


def test_about_fifteen_slides():
    assert 14 <= len(slides()) <= 18


def test_the_demo_replays_the_recorded_kill_where_it_may_not_run(settings, tmp_path):
    result = tmp_path / "defence.ipynb"
    notebook.execute(settings, NOTEBOOK, result, LIVE=False, VICTIM="broker")
    outputs = str([cell.outputs for cell in nbformat.read(result, as_version=4).cells if cell.cell_type == "code"])
    assert "LIVE is off" in outputs and "broker killed (replay of " in outputs and "verdict: right" in outputs
