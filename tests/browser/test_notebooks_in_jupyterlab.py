"""The lesson with the live table, used as a student uses it, and every committed notebook, opened and looked at."""

import statistics
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from playwright.sync_api import TimeoutError as NothingHappened

from lib.settings import ROOT
from lib.wait import wait_until
from tests.conftest import gone

# The lesson whose live table is watched, with parameters that let its producer outlast the test.
LESSON, PARAMETERS = "03_spark_streaming.ipynb", {"LIVE_SECONDS": 1500, "LIVE_TWEETS_PER_SECOND": 200}
EVERY = 5  # seconds: the lesson's own
# The width, not `complete`: a picture whose address JupyterLab has still to find is complete, and empty.
PICTURES = "[...document.querySelectorAll('.jp-Notebook img')].map(i => [i.alt, i.naturalWidth])"
# It runs until the test has seen what it wanted to see.
LONG_CELL = """from pathlib import Path
from lib.wait import wait_until
wait_until(Path("go-on").exists, 60)
print("the long cell is over")"""


@pytest.fixture(scope="module")
def lesson(lab):
    """The lesson up to its live table, opened, all cells run, and the table's first rows there."""
    path = lab.notebooks / LESSON
    book = parameterize_notebook(load_notebook_node(str(path)), PARAMETERS)
    last = next(n for n, cell in enumerate(book.cells) if cell.cell_type == "code" and "LiveTable(" in cell.source)
    book.cells = book.cells[: last + 1]
    nbformat.write(book, path)
    notebook = lab.open(LESSON)
    run_all(notebook)
    yield notebook
    notebook.close()


def run_all(notebook):
    notebook.menu("Run", "Run All Cells")
    notebook.page.wait_for_function(
        "document.querySelectorAll('.widget-html .trending tbody tr').length > 3", timeout=120_000
    )


def test_the_table_changes_every_five_seconds_and_other_cells_run_meanwhile(lesson):
    times = lesson.wait_for_changes(2, seconds=6 * EVERY)
    lesson.shows(lesson.run("6 * 7"), "42", seconds=EVERY)
    times += lesson.wait_for_changes(3, seconds=6 * EVERY)
    spacing = [after - before for before, after in pairwise(times)]
    # Not more often, and not later than the 3 s that the broker may take to say how far behind we are.
    assert EVERY - 0.5 < statistics.median(spacing) < EVERY + 3, spacing


def test_pause_holds_the_table_and_resume_moves_it(lesson):
    lesson.press("Pause", answer="Resume")
    lesson.page.locator(".paused .trending").wait_for()
    with pytest.raises(NothingHappened):
        lesson.wait_for_changes(1, seconds=2.5 * EVERY)
    lesson.press("Resume")
    lesson.wait_for_changes(1, seconds=EVERY)
    lesson.wait_for_changes(1, seconds=2 * EVERY)


def test_the_buttons_answer_while_a_cell_runs(lesson, lab):
    output = lesson.run(LONG_CELL)
    lesson.press("Pause", answer="Resume")
    lesson.press("Resume", answer="Pause")
    lesson.wait_for_changes(2, seconds=4 * EVERY)
    assert not output.text_content(), "the cell still runs"
    (lab.notebooks / "go-on").touch()
    lesson.shows(output, "the long cell is over")


def test_interrupt_stops_the_cell_only(lesson, cluster, settings):
    output = lesson.run("import time\ntime.sleep(600)")
    lesson.shows(lesson.page.locator(".jp-Notebook"), "[*]:")
    lesson.menu("Kernel", "Interrupt Kernel")
    lesson.shows(output, "KeyboardInterrupt")
    end = sum(cluster.offsets(settings.topic).values())
    lesson.wait_for_changes(2, seconds=4 * EVERY)
    lesson.shows(lesson.table, "running")
    wait_until(lambda: sum(cluster.offsets(settings.topic).values()) > end, 10)


def test_screenshots_in_both_themes_after_a_reload(lesson, lab):
    for theme in ("Dark", "Light"):
        lab.set("themes", {"theme": f"JupyterLab {theme}"})
        lesson.reload()
        lesson.page.wait_for_function("t => document.body.dataset.jpThemeName === t", arg=f"JupyterLab {theme}")
        lesson.wait_for_changes(1, seconds=3 * EVERY)
        lesson.screenshot(f"live_table_{theme.lower()}")
    assert lesson.cut_headers() == []
    lesson.page.set_viewport_size({"width": 420, "height": 900})
    lesson.screenshot("live_table_narrow")
    assert lesson.table.evaluate("table => table.scrollWidth <= table.clientWidth"), "nothing sticks out"
    assert lesson.cut_headers() == []
    lesson.page.set_viewport_size({"width": 1100, "height": 900})
    lesson.press("Pause", answer="Resume")
    lesson.press("Resume")


def test_stop_ends_the_query_and_says_so(lesson):
    lesson.press("Stop")
    lesson.shows(lesson.table, "stopped", seconds=60)
    lesson.shows(lesson.run("[query.isActive for query in spark.streams.active]"), "[]")
    with pytest.raises(NothingHappened):
        lesson.wait_for_changes(1, seconds=2 * EVERY)


def test_a_restart_leaves_no_process(lesson, cluster):
    kernel, ours = lesson.kernel(), lesson.children()
    names = " ".join(word for process in ours for word in process.cmdline())
    assert "lib.producer" in names and "org.apache.spark" in names
    lesson.menu("Kernel", "Restart Kernel…")
    lesson.page.get_by_role("button", name="Confirm Kernel Restart").click()
    wait_until(lambda: all(gone(process.pid) for process in (kernel, *ours)), 30)
    assert cluster.answers(), "the broker stays"
    assert lesson.kernel().pid != kernel.pid and not lesson.children()


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "notebooks").glob("*.ipynb")))
def test_a_committed_notebook_shows_no_error(lab, name):
    (lab.notebooks / f"opened_{name}").write_bytes((Path(ROOT) / "notebooks" / name).read_bytes())
    notebook = lab.open(f"opened_{name}")
    try:
        page = notebook.page
        images = []

        def all_loaded() -> bool:
            images[:] = page.evaluate(PICTURES)
            return bool(images) and all(width > 0 for _, width in images)

        with suppress(TimeoutError):  # then those that are missing are named below
            wait_until(all_loaded, 30)
        assert images and all(width > 0 for _, width in images), images
        for kind in ("stderr", "error"):
            assert page.locator(f"[data-mime-type='application/vnd.jupyter.{kind}']").count() == 0
    finally:
        notebook.close()
