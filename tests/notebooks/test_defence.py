"""The deck of the defence: its form, and its demo where no pipeline can run."""

import re
from dataclasses import replace

import nbformat
import pytest

from lib.course import notebook
from lib.course.evidence import Evidence
from lib.course.slides import NOTEBOOK, write_slides
from tests.evidence.__main__ import claims

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
    return re.sub(r"!\[.*?\]\(.*?\)|[#*|:-]", " ", cell.source)


@pytest.mark.parametrize("cells", slides(), ids=lambda cells: text(cells[0]).split("\n")[0].strip())
def test_a_slide_has_one_heading_few_words_notes_and_no_number_typed_by_hand(cells):
    assert [bool(re.match("##? ", cell.source)) for cell in cells if cell.cell_type == "markdown"] == [True, False]
    shown = [cell for cell in cells if cell.cell_type == "markdown" and kind(cell) != "notes"]
    assert not re.search(r"\d", " ".join(map(text, shown)))
    words = " ".join(text(cell).partition("\n")[2] for cell in shown)  # without the heading
    assert len(words.split()) <= MOST_WORDS
    assert [kind(cell) for cell in cells].count("notes") == 1 and kind(cells[-1]) == "notes"
    assert 30 <= len(cells[-1].source.split()) <= 170, "what can be said in a minute or two"


def test_about_fifteen_slides():
    assert 14 <= len(slides()) <= 18


def outputs(result) -> str:
    return str([cell.outputs for cell in nbformat.read(result, as_version=4).cells if cell.cell_type == "code"])


def test_the_demo_replays_the_recorded_kill_where_it_may_not_run(settings, tmp_path):
    result = tmp_path / "defence.ipynb"
    notebook.execute(settings, NOTEBOOK, result, LIVE=False, VICTIM="broker")
    assert "LIVE is off" in outputs(result) and "broker killed (replay of " in outputs(result)
    assert "verdict: right" in outputs(result) and "FAILED" not in outputs(result)


def test_what_could_not_be_measured_is_shown_as_failed(settings, tmp_path):
    found, errors = Evidence.read(), {"stream": "BrokerError: no broker", "oracle": "TimeoutError: 500 s"}
    data = {"kills": found.data["kills"], "errors": errors}
    replace(found, claims=claims(data, errors), data=data).write(tmp_path / "evidence.json")
    result = tmp_path / "defence.ipynb"
    notebook.execute(settings, NOTEBOOK, result, LIVE=False, EVIDENCE=str(tmp_path / "evidence.json"))
    page = write_slides(result, tmp_path / "defence.html").read_text()
    assert page.count("FAILED") >= 8, "three figures, the large number, four of the six claims"
    assert page.count("no broker") == 6 and "2 of 6 claims hold" in page
