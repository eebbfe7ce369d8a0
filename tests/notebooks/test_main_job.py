"""`make run`: the master notebook, executed by papermill, among other people's messages."""

import re
import subprocess
import sys

import nbformat
import psutil
from filelock import FileLock

from lib import topics
from lib.settings import settings


def test_two_notebooks_at_once_verify_each_its_own_tweets_among_those_of_others(broker, run_module):
    """The main job beside a second execution of the same notebook, on one broker and one topic."""
    topics.create(settings.topic)
    run_module("producer", "--count", 3000, "--rate", 0, "--malformed", 0.1, "--seed", 3)
    before = {p.pid for p in psutil.process_iter()}
    second = [sys.executable, "-m", "lib.course.series", "00_master", "-p", "TWEETS", "5000", "-p", "SEED", "4"]
    with subprocess.Popen(second, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as other:
        run = run_module("course.main_job", timeout=300)
        shown = other.communicate(timeout=300)[0]
    assert other.returncode == 0 and "1 passed, 0 failed" in shown, shown
    executed = (settings.build_dir / "notebooks" / "00_master.ipynb").read_text()
    assert re.search(r"verified: 5000 tweets sent, \d+ counted, 100 duplicates, \d+ late, 50 malformed", executed)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == "", "nothing but the job's own words is printed"

    found = re.search(
        r"^verified: (\d+) tweets sent, (\d+) counted, (\d+) duplicates, (\d+) late, (\d+) malformed$", run.stdout, re.M
    )
    sent, counted, duplicates, late, malformed = map(int, found.groups())
    assert sent == 20_000 == counted + duplicates + late + malformed
    assert duplicates == 400 and malformed == 200 and 0 < late <= 200
    assert "Trending topics" in run.stdout and run.stdout.count("│") > 30

    executed = settings.build_dir / "00_master.ipynb"
    outputs = [o for cell in nbformat.read(executed, 4).cells for o in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
    assert "<div class='trending" in executed.with_suffix(".html").read_text()

    assert topics.answers(), "a broker that was there before stays"
    assert not left_behind(before), "nothing that it started is left"


def test_a_step_that_fails_is_named_and_everything_is_cleaned_up(broker, run_module):
    before = {p.pid for p in psutil.process_iter()}
    run = run_module("course.main_job", environment={"STREAM_SPARK_MASTER": "nonsense"}, timeout=120)
    assert run.returncode == 1
    assert "step '3. Spark: count what trends' of the notebook failed" in run.stderr
    assert "'nonsense' is not a Spark master" in run.stderr and "Traceback" not in run.stderr
    assert not left_behind(before)


def test_a_second_main_job_at_once_is_refused(run_module):
    with FileLock(settings.folder("runs") / "in-use.lock"):
        run = run_module("course.main_job")
    assert run.returncode == 1 and run.stdout == "" and "another `make run` is at work" in run.stderr


def left_behind(before: set[int]) -> list[str]:
    """The command lines of processes of the course that were not there before, whoever their parent is now."""
    lines = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]) if p.pid not in before]
    return [line for line in lines if re.search(r"lib\.producer|ipykernel|org\.apache\.spark|kafka\.Kafka", line)]
