"""The series on small notebooks: in order, with parameters, after failures; and what it leaves."""

import re

import nbformat
import pytest

from lib import infra
from lib.course import notebook
from lib.course.series import METADATA
from lib.errors import SettingError, StepError
from lib.settings import Settings
from lib.topics import Cluster
from tests.conftest import free_port

TABLE = 'import pandas as pd\npd.DataFrame({"square": [NUMBER**2]})'
LINKS = "## Links\n[a term](TERMS.md#a-term), [the last](03_last.ipynb), [a draft](drafts.ipynb)"
PICTURE = "## A picture\n![A dot](dot.svg)"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle cx="4" cy="4" r="4"/></svg>'
FAILS = 'from lib.errors import TopicError\nraise TopicError("the <b>topic</b> is not there", "create it")'
STARTS = "from lib import infra, settings\nassert infra.up(settings.Settings.from_environment()).started"
DIES = "import os\nos.kill(os.getpid(), 9)"


def outputs(path) -> str:
    """The notebook's outputs, as text."""
    return str([cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"])


@pytest.fixture
def passing(write):
    path = write("00_passes", "# Passes", TABLE, PICTURE, LINKS, parameters="NUMBER = 3")
    (path.parent / "dot.svg").write_text(SVG)
    (path.parent / "TERMS.md").write_text("### a term\n\nIts meaning.")
    return path


def test_the_notebooks_run_in_order_whatever_fails_and_leave_nothing(
    cluster, settings, passing, write, run_main, nothing_left
):
    write("01_fails", "# Fails", "1", "## 1. It fails", FAILS, "## 2. Never reached", "print('reached')")
    write("02_dies", "# Dies", DIES)
    write("03_last", "# Last", "6 * 7")
    write("drafts", "1 / 0")
    run = run_main("course.series", "--folder", passing.parent, "-p", "NUMBER", 7)
    assert run.returncode == 1 and run.stderr == "" and "Traceback" not in run.stdout
    ran = re.findall(r"^(\w+) +(passed|FAILED) +\d+ s$", run.stdout, re.M)
    assert ran == [("00_passes", "passed"), ("01_fails", "FAILED"), ("02_dies", "FAILED"), ("03_last", "passed")]
    assert "2 passed, 2 failed" in run.stdout and "1. It fails" in run.stdout

    results = settings.build_dir / "notebooks"
    index = (results / "index.html").read_text()
    for name, _ in ran:
        assert f'<a href="{name}.html">' in index and (results / f"{name}.html").exists()
    assert "the &lt;b&gt;topic&lt;/b&gt; is not there" in index and "<b>topic" not in index
    assert "NUMBER = 7" in (results / "00_passes.ipynb").read_text() and "49" in outputs(results / "00_passes.ipynb")
    page = (results / "00_passes.html").read_text()
    assert ">49</td>" in page and 'src="data:image/svg+xml' in page, "the table, and the picture in the page itself"
    for link in ("TERMS.html#a-term", "03_last.html", "drafts.ipynb"):
        assert f'href="{link}"' in page
    assert 'id="a-term"' in (results / "TERMS.html").read_text() and not (results / "TERMS.ipynb").exists()
    assert "reached" not in outputs(results / "01_fails.ipynb")
    assert outputs(passing) == "[[], []]", "the notebook itself is not changed"
    assert cluster.answers(), "a broker that was there before stays"
    nothing_left()


def test_a_broker_that_a_notebook_started_is_stopped(write, run_main, tmp_path):
    own = Settings(bootstrap_servers=f"localhost:{free_port()}", build_dir=tmp_path)
    environment = {"STREAM_BOOTSTRAP_SERVERS": own.bootstrap_servers, "STREAM_BUILD_DIR": str(tmp_path)}
    try:
        run = run_main("course.series", "--folder", write("00_starts", STARTS).parent, environment=environment)
        assert run.returncode == 0, run.stdout
        assert not Cluster(own.bootstrap_servers).port_is_open()
    finally:
        infra.down(own)


def test_update_writes_the_outputs_into_the_folder_without_traces_of_the_run(passing, write, run_main, settings):
    failing = write("01_fails", "# Fails", FAILS)
    run = run_main("course.series", "--folder", passing.parent, "--update")
    assert run.returncode == 1 and "1 passed, 1 failed" in run.stdout
    updated = nbformat.read(passing, as_version=4)
    assert "9" in outputs(passing) and updated.metadata == METADATA
    assert [dict(cell.metadata) for cell in updated.cells] == [{"tags": ["parameters"]}, {}, {}, {}, {}]
    assert [cell.execution_count for cell in updated.cells if cell.cell_type == "code"] == [1, 2]
    assert outputs(failing) == "[[]]", "one that fails keeps its outputs"


def test_a_failed_cell_is_named_by_the_heading_above_it(settings, write, tmp_path):
    path = write("00_fails", "# Fails", "1", "## 1. First\n### 1.1 Below", FAILS, "## 2. Second", "2")
    with pytest.raises(StepError) as raised:
        notebook.execute(settings, path, tmp_path / "result.ipynb")
    assert raised.value.data == {"step": "1.1 Below", "error": "TopicError", "result": tmp_path / "result.ipynb"}
    assert "the <b>topic</b> is not there" in raised.value.what and raised.value.remedy.startswith("create it\n")


def test_a_kernel_that_dies_is_an_error_with_a_log(write, tmp_path):
    settings = Settings(build_dir=tmp_path / "build")
    with pytest.raises(StepError) as raised:
        notebook.execute(
            settings, write("00_dies", "import os; os.write(2, b'its last words')", DIES), tmp_path / "result.ipynb"
        )
    assert raised.value.data["error"] == "DeadKernelError"
    log = tmp_path / "build" / "logs" / "kernel.log"
    assert "its last words" in log.read_text() and str(log) in raised.value.remedy


def test_a_parameter_that_a_notebook_does_not_have_is_refused(settings, passing, tmp_path):
    with pytest.raises(SettingError) as raised:
        notebook.execute(settings, passing, tmp_path / "result.ipynb", NUMBER=1, NUMBERS=2)
    assert raised.value.data == {"unknown": ["NUMBERS"], "known": ["NUMBER"]}
    assert not (tmp_path / "result.ipynb").exists()


@pytest.mark.parametrize(("arguments", "unknown"), [(["-p", "TWEET", 5], "TWEET"), (["09_unknown"], "09_unknown")])
def test_what_does_not_exist_is_refused_before_anything_runs(arguments, unknown, run_main):
    run = run_main("course.series", *arguments)
    assert run.returncode == 1 and isinstance(run.error, SettingError) and run.stdout == ""
    assert run.error.data["unknown"] == [unknown]


def test_update_refuses_other_parameters(run_main):
    run = run_main("course.series", "--update", "-p", "TWEETS", 5)
    assert run.returncode == 2 and "--update" in run.stderr and run.stdout == ""
