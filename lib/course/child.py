"""Child processes of a notebook: one that runs a function and may kill itself, and one that is found and killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import psutil
from pyspark import cloudpickle

PROGRAM = "import pickle, sys; work, arguments = pickle.load(sys.stdin.buffer); work(*arguments)"


def run_in_child(function: Callable, *arguments: object, seconds: float = 60) -> int:
    """Run the function in a Python process of its own and return the exit code; minus the signal if it was killed.

    The function may be defined in the notebook: it is sent to the process as Spark sends functions to its workers.
    Raises RuntimeError, with the last line of the traceback, if the function fails, and subprocess.TimeoutExpired after
    `seconds`; the process is killed then.
    """
    work = cloudpickle.dumps((function, arguments))
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=work, capture_output=True, timeout=seconds)
    if done.returncode > 0:
        raise RuntimeError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    return done.returncode


def die(here: str, moment: str | None) -> None:
    """Kill this process, as `kill -9` does, if `here` is the moment."""
    if here == moment:
        os.kill(os.getpid(), signal.SIGKILL)


def child_with(word: str) -> psutil.Process:
    """The running child of this process, or child of a child, whose command line has the word.

    Raises LookupError if there is none.
    """
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended
            if any(word in argument for argument in child.cmdline()):
                return child
    raise LookupError(f"no child process has {word!r} in its command line")
