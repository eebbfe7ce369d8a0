"""Background processes, such as a broker: start one that outlives this program, find it again, end it."""

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from lib.wait import wait_until

STOP_SECONDS, KILL_SECONDS = 20, 10


def start(command: Sequence[object], folder: Path, environment: Mapping[str, str] | None = None) -> int:
    """Start a program in a folder and return its process id. What it prints goes to console.log there.

    Like a container started with `-d`, it keeps running when the program that started it ends.
    """
    with open(folder / "console.log", "wb") as console:
        # Its own session: Ctrl-C and a kernel's interrupt, which go to the whole process group, must not end it.
        process = subprocess.Popen(
            [*map(str, command)], stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
            cwd=folder, env=environment,
        )  # fmt: skip
    # Under load a new process has no command line for a moment, by which it is recognised.
    with suppress(psutil.Error, TimeoutError):  # it has ended already
        wait_until(psutil.Process(process.pid).cmdline, seconds=5, every=0.001)
    return process.pid


def find(pid: int | None, argument: Path) -> psutil.Process | None:
    """The process, if it is still the one that was started: process ids are reused."""
    if pid is None:
        return None
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        # By its command line, which names its configuration file: a start time changes when the clock is set.
        return process if str(argument) in process.cmdline() and alive(process) else None
    return None


def end(*processes: psutil.Process | None) -> None:
    """Terminate processes, all at once, so that they close their files; kill those that take over 20 s."""
    left = [process for process in processes if process]
    for stop, seconds in ((psutil.Process.terminate, STOP_SECONDS), (psutil.Process.kill, KILL_SECONDS)):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                stop(process)
        with suppress(TimeoutError):
            wait_until(lambda left=left: not any(map(alive, left)), seconds)
        left = [process for process in left if alive(process)]


def alive(process: psutil.Process) -> bool:
    """Whether a process runs. One that has ended may still be listed, as a zombie: its exit code waits for its parent.

    The exit code of a child of this program is collected here, after which it is not listed. In a container that has
    no init process nobody collects those of orphans.
    """
    with suppress(psutil.NoSuchProcess):
        # A killed process whose first thread has ended is called a zombie too, but its other threads keep its ports.
        if process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1):
            return True
    with suppress(psutil.TimeoutExpired):
        process.wait(0)
    return False
