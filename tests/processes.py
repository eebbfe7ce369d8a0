"""Processes of a test run: whether one has ended, and which ones a run has left behind."""

import contextlib
import os
from pathlib import Path

import psutil

from lib.settings import Settings


def gone(pid: int) -> bool:
    """Whether a process has ended, even where nobody collects its exit code (as in a container without an init).

    Unlike `lib.infra.process.alive` it collects none itself: a test may ask for it.
    """
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() == 1
    except psutil.NoSuchProcess:
        return True


def spark_of(pid: int) -> psutil.Process | None:
    """The Java process of Spark that a program has started, with the default heap; None if it does not run yet.

    A short-lived Java process with another heap puts its command together.
    """
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended
            if f"-Xmx{Settings.driver_memory_mb}m" in child.cmdline():
                return child
    return None


def left_behind(folder: Path) -> list[str]:
    """The command lines of processes whose build folder is in `folder`, whoever their parent is now.

    They are recognised by their environment, so that a second test run on the machine does not matter.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get("STREAM_BUILD_DIR", "").startswith(str(folder))
            if ours and process.pid != os.getpid() and not gone(process.pid):
                found.append(" ".join(process.cmdline()))
    return found
