"""Child process that runs a function: its exit code, its errors, and its own end."""

import os
import signal
import subprocess
import sys

import pytest

from lib.course.child import child_with, die, run_in_child


def test_a_function_without_a_module_runs_there_with_its_arguments(tmp_path):
    name = "there"

    def work(folder):
        (folder / name).write_text(str(os.getpid()))

    assert run_in_child(work, tmp_path) == 0
    assert int((tmp_path / "there").read_text()) != os.getpid()


def test_it_kills_itself_at_the_moment_only():
    def work(moment):
        die("before", moment)
        die("after", moment)

    assert [run_in_child(work, moment) for moment in ("before", "never", None)] == [-signal.SIGKILL, 0, 0]


def test_an_error_in_it_is_told():
    with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero"):
        run_in_child(lambda: 1 / 0)


def test_it_does_not_run_for_ever():
    with pytest.raises(subprocess.TimeoutExpired):
        run_in_child(signal.pause, seconds=0.5)


def test_a_child_is_found_by_its_command_line_while_it_runs():
    program = [sys.executable, "-c", "input()", "a-word-of-its-own"]
    with (
        subprocess.Popen([sys.executable, "-c", ""]) as ended,
        subprocess.Popen(program, stdin=subprocess.PIPE) as child,
    ):
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has asked for its exit code
        assert child_with("word-of-its").pid == child.pid
    ended.wait()
    with pytest.raises(LookupError):
        child_with("word-of-its")
