"""The lessons in order, headless, as an instructor runs them; 00 is executed by the main job's test."""

import re

import nbformat
import psutil
import pytest

from lib import topics
from lib.settings import settings
from tests.notebooks.test_main_job import left_behind

LESSONS = ["01_infrastructure", "02_producer", "03_spark_streaming", "04_analysis"]
SHORTER = ["-p", "BACKGROUND_TWEETS", 300, "-p", "LIVE_SECONDS", 15, "-p", "LIVE_TWEETS", 4800]


def test_the_lessons_pass_in_order_and_leave_nothing_running(broker, run_module):
    before = {p.pid for p in psutil.process_iter()}
    run = run_module("course.series", *LESSONS, *SHORTER, timeout=900)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.findall(r"^(\w+) +passed +\d+ s$", run.stdout, re.M) == LESSONS
    assert f"{len(LESSONS)} passed, 0 failed" in run.stdout
    folder = settings.build_dir / "notebooks"
    index = (folder / "index.html").read_text()
    for name in LESSONS:
        assert f"<a href='{name}.html'>" in index and (folder / f"{name}.html").stat().st_size > 100_000
    executed = nbformat.read(folder / "03_spark_streaming.ipynb", as_version=4)
    assert any("LIVE_SECONDS = 15" in cell.source for cell in executed.cells)
    assert topics.answers(), "a broker that was there before stays"
    assert not left_behind(before)


def test_after_a_failure_it_goes_on_and_says_so_at_the_end(broker, run_module):
    run = run_module("course.series", "00_master", "01_infrastructure", environment={"STREAM_SPARK_MASTER": "nonsense"})
    assert run.returncode == 1 and "1 passed, 1 failed" in run.stdout
    assert re.search(r"^00_master +FAILED", run.stdout, re.M) and re.search(r"^01_infra\w+ +passed", run.stdout, re.M)
    assert "'nonsense' is not a Spark master" in run.stdout and "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "TWEET", 5], "no notebook has a parameter TWEET"),
        (["09_unknown"], "there is no notebook 09_unknown"),
        (["--update", "-p", "TWEETS", 5], "--update takes the notebooks' own parameters"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(arguments, message, run_module):
    run = run_module("course.series", *arguments)
    assert run.returncode and message in run.stderr and "Traceback" not in run.stderr
