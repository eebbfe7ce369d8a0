"""The list of deliberate faults is up to date, and the command that tries them notices what survives."""

import subprocess

import pytest

from lib.settings import ROOT
from tests.mutations import Fault, OutOfDate, load
from tests.mutations.__main__ import run_faults

FAULTS = load()
ROOMS = {path.name for path in (ROOT / "lib").iterdir() if (path / "__init__.py").exists()}
CODE = "def double(n):\n    return n * 2\n"
TEST = """
from lib.code import double

def test_two():
    assert double(2) == 4

def test_three():
    assert double(3) == 6
"""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.file}: {fault.name}")
def test_the_fault_fits_the_code(fault):
    fault.check(ROOT)


def test_every_room_has_faults():
    assert len(FAULTS) >= 30
    assert ROOMS | {"lib", "docker", "tests"} <= {fault.file.split("/")[-2] for fault in FAULTS}


@pytest.mark.parametrize(
    "changed", [{"text": "n"}, {"text": "m"}, {"file": "lib/gone.py"}, {"tests": ("tests/test_code.py::test_four",)}]
)
def test_a_list_that_does_not_fit_is_out_of_date(project, changed):
    fault = {"name": "", "file": "lib/code.py", "text": "* 2", "replacement": "", "tests": ("tests/test_code.py",)}
    Fault(**fault).check(project)
    with pytest.raises(OutOfDate):
        Fault(**(fault | changed)).check(project)


@pytest.fixture
def project(tmp_path):
    """A small project with a package `lib` and two tests, tracked by git."""
    folder = tmp_path / "project"
    for name, content in {"lib/__init__.py": "", "lib/code.py": CODE, "tests/test_code.py": TEST}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


def test_caught_and_survived_faults_are_reported_and_the_project_stays_as_it_is(project, capsys):
    tests = ("tests/test_code.py",)
    found = Fault("adds", "lib/code.py", "n * 2", "n + 2", tests)
    harmless = Fault("sums", "lib/code.py", "n * 2", "n + n", tests)
    assert run_faults([found, harmless], project, jobs=2, seconds=60) == 1
    shown = capsys.readouterr().out
    assert "caught    lib/code.py: adds" in shown and "by tests/test_code.py::test_three" in shown
    assert "SURVIVED  lib/code.py: sums" in shown and "test_two" not in shown
    assert (project / "lib" / "code.py").read_text() == CODE


def test_tests_that_are_red_without_a_fault_are_refused(project):
    (project / "lib" / "code.py").write_text(CODE.replace("2", "3"))
    with pytest.raises(OutOfDate):
        run_faults([Fault("", "lib/code.py", "* 3", "* 2", ("tests/test_code.py",))], project, jobs=1, seconds=60)
