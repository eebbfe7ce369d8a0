"""Command line: put each fault into a copy of the project, run the tests that must notice it, and print which one did.

The working tree is never changed. First all the tests run without a fault, and must pass. The exit code is 1 if a fault
is not caught: by a failed test within the time limit, as a hang says nothing and an import error too little.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.mutations import LIST, Fault, OutOfDate, load

ROOT = LIST.parents[2]
FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - |$)", re.MULTILINE)  # as pytest's summary has it


@dataclass(frozen=True)
class Result:
    """A run of pytest: its exit code (None: time limit), its duration in seconds, and its output."""

    code: int | None
    seconds: float
    output: str

    @property
    def failed(self) -> str:
        """The first failed test; empty without one."""
        found = FAILED.search(self.output)
        return found[1] if found else ""

    @property
    def last_line(self) -> str:
        return (self.output.strip().splitlines() or [""])[-1]

    @property
    def caught(self) -> bool:
        return self.code == 1 and bool(self.failed)


def copy_project(project: Path, target: Path) -> None:
    """Copy the files that git tracks, and those that it neither tracks nor ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (project / name).is_file():  # a deleted file is tracked until it is committed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, target / name)


def environment(copy: Path) -> dict[str, str]:
    """The environment in which the copy's `lib` is imported, though the project is installed in this Python too."""
    temporary = copy.with_name(f"{copy.name}-tmp")
    temporary.mkdir(exist_ok=True)
    return os.environ | {"PYTHONPATH": str(copy), "TMPDIR": str(temporary)}


def check_import(copy: Path) -> None:
    """OutOfDate unless Python, and a child process of it, import `lib` from the copy, whatever folder they run in."""
    child = "import lib; print(lib.__file__, flush=True)"
    code = f"import subprocess, sys; {child}; subprocess.run([sys.executable, '-c', {child!r}])"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=copy.parent, env=environment(copy), capture_output=True, text=True)
    if run.stdout.splitlines() != [str(copy / "lib" / "__init__.py")] * 2:
        raise OutOfDate(f"the copy's lib is not the one that is imported: {run.stdout}{run.stderr}")


def run_tests(copy: Path, tests: Iterable[str], seconds: float) -> Result:
    """Run pytest in a copy until its first failure; processes that are left after it are killed."""
    log = copy.with_name(f"{copy.name}.log")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "-p", "no:cacheprovider", *tests]
    began, code = time.monotonic(), None
    with open(log, "wb") as output:  # a file: a pipe would stay open in a process that is left
        process = subprocess.Popen(
            command, cwd=copy, env=environment(copy), stdout=output, stderr=output, start_new_session=True
        )
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.terminate()  # so that it stops its broker
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
    finally:
        kill_processes(copy)
        process.wait()
    return Result(code, time.monotonic() - began, log.read_text(encoding="utf-8", errors="replace"))


def kill_processes(folder: Path) -> None:
    """Kill what was started with a copy in this folder as PYTHONPATH, such as a broker that a fault left running."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, ValueError):
            if Path(process.environ().get("PYTHONPATH", "/")).is_relative_to(folder):
                process.kill()


def run_fault(fault: Fault, clean: Path, seconds: float) -> Result:
    """Put a fault into a copy of the clean copy, and run its tests there."""
    with tempfile.TemporaryDirectory(dir=clean.parent, ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "project"
        shutil.copytree(clean, copy)
        fault.put_into(copy)
        return run_tests(copy, fault.tests, seconds)


def run_faults(faults: Sequence[Fault], project: Path, jobs: int, seconds: float) -> int:
    """Run each fault's tests, and print a line for each; how many were not caught. OutOfDate where a test is red."""
    folder = Path(tempfile.mkdtemp(prefix="arqesp-mutations-"))
    clean, tried = folder / "clean", folder / "tried" / "project"
    pool = ThreadPoolExecutor(jobs)
    try:
        copy_project(project, clean)
        shutil.copytree(clean, tried)
        check_import(tried)
        tests = sorted({test for fault in faults for test in fault.tests})
        print(f"without a fault: {len(tests)} test files and functions", flush=True)
        before = run_tests(tried, tests, seconds * len(tests))
        print(f"    {before.last_line}", flush=True)
        if before.code != 0:
            raise OutOfDate(f"{before.output[-5000:]}\nthe tests are red without a fault: {before.failed}")
        survived = 0
        for fault, result in zip(faults, pool.map(lambda f: run_fault(f, clean, seconds), faults), strict=True):
            survived += not result.caught
            print(describe(fault, result, seconds), flush=True)
        return survived
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        kill_processes(folder)
        pool.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def describe(fault: Fault, result: Result, seconds: float) -> str:
    if result.caught:
        return f"caught    {fault.file}: {fault.name} ({result.seconds:.0f} s)\n          by {result.failed}"
    why = f"time limit of {seconds:g} s" if result.code is None else result.last_line
    return f"SURVIVED  {fault.file}: {fault.name} ({result.seconds:.0f} s)\n          {why}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="*", help="only faults whose file or name contains one of these")
    parser.add_argument("--list", action="store_true", help="print the faults, and run nothing")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="faults at a time (default: 1)")
    parser.add_argument(
        "--seconds", type=float, default=180, metavar="S", help="time limit of one fault (default: 180)"
    )
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    faults = [f for f in load() if not options.name or any(n in f"{f.file}: {f.name}" for n in options.name)]
    if options.list:
        print("\n".join(f"{fault.file}: {fault.name}" for fault in faults))
        return 0
    if not faults:
        parser.error("no fault has such a name; see --list")
    try:
        for fault in faults:
            fault.check(ROOT)
        survived = run_faults(faults, ROOT, options.jobs, options.seconds)
    except OutOfDate as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(faults)} faults: {len(faults) - survived} caught, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
