"""Command line: run the faults of `matrix`, a line for each run, and a summary (`make faults`).

A complete run writes the summary to tests/faults/RESULTS.md. The exit code is 1 if a message was lost, surplus or
wrong, or a run did not end.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from lib.errors import run as run_program
from lib.infra.java import find_java
from lib.settings import Settings
from lib.wait import exit_on_signals, wait_until
from tests.faults.matrix import MATRIX
from tests.faults.scenario import Fault, Result, run
from tests.faults.world import World
from tests.processes import left_behind

RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = """# Faults

`make faults` on {date}, on {machine}.
It took {minutes:.0f} minutes{load}.

Each run does a list of actions to real programs (`matrix.py`), and ends with one oracle: acknowledged = counted +
accounted for. Duplicates, late and malformed messages are *accounted for*.

- *lost*: acknowledged messages that are not in the topic, or not counted
- *surplus*: messages that are in the topic more often than they were sent
- *wrong*: runs whose windows, totals or watermarks differ from the recount, messages with an unexpected verdict, and
  dead letters that are missing or surplus
- *seconds to recover*: from the fault to the end of the first micro-batch with newer messages

| Fault | Runs | Acknowledged | Lost | Surplus | Wrong | Seconds to recover: median (most) |
|---|---|---|---|---|---|---|
"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Run the matrix of faults.")
    parser.add_argument("--only", default="", metavar="NAME", help="only the faults with these words in their names")
    parser.add_argument("--seed", type=int, metavar="K", help="only the run with this seed")
    parser.add_argument("--runs", type=int, metavar="N", help="N runs of each fault")
    options = parser.parse_args(argv)
    exit_on_signals()
    began, results = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="arqesp-faults-") as folder:
        with World(Path(folder)) as world:
            for fault in MATRIX:
                if options.only in fault.name:
                    results += runs_of(world, fault, options)
        with suppress(TimeoutError):
            wait_until(lambda: not left_behind(Path(folder)), 10)
        left = left_behind(Path(folder))
    minutes = (time.monotonic() - began) / 60
    load = f", with a load average of {os.getloadavg()[1]:.1f}"
    text = HEAD.format(machine=machine(), date=time.strftime("%Y-%m-%d"), minutes=minutes, load=load) + table(results)
    print(f"{minutes:.1f} minutes{load}", table(results), sep="\n")
    if left:
        print("left behind: " + "\n".join(left))
    if not options.only and options.seed is None and options.runs is None:
        by_hand = RESULTS.read_text().rpartition("|\n")[2]  # what is written below the table
        RESULTS.write_text(text + by_hand)
    return int(bool(left) or not results or not all(result.right for result in results))


def runs_of(world: World, fault: Fault, options: argparse.Namespace) -> list[Result]:
    """Run a fault on a new stream, with one seed after the other."""
    world.new_stream()
    results = []
    for seed in range(options.runs or fault.runs) if options.seed is None else [options.seed]:
        results.append(run(world, fault, seed))
        print(f"{fault.name}, seed {seed}: {results[-1]}", flush=True)
    return results


def table(results: list[Result]) -> str:
    """A row for each fault."""
    rows = []
    for name in dict.fromkeys(result.fault for result in results):
        those = [result for result in results if result.fault == name]
        if reason := those[0].not_permitted:
            rows.append(f"| {name} | not run: {reason} | | | | | |\n")
            continue
        sums = [
            f"{sum(getattr(each, kind) for each in those):,}" for kind in ("acknowledged", "lost", "surplus", "wrong")
        ]
        seconds = [each.recovery for each in those if each.recovery is not None]
        recovery = f"{statistics.median(seconds):.1f} ({max(seconds):.1f})" if seconds else ""
        ended = "" if all(not each.problem for each in those) else ", not all ended"
        rows.append(f"| {name} | {len(those)}{ended} | {' | '.join(sums)} | {recovery} |\n")
    return "".join(rows)


def machine() -> str:
    """The system, its cores and memory, and the versions of Python and Java."""
    system = platform.freedesktop_os_release()["PRETTY_NAME"] if sys.platform == "linux" else platform.platform()
    memory = psutil.virtual_memory().total / 2**30
    told = subprocess.run([find_java(Settings.from_environment()), "-version"], capture_output=True, text=True).stderr
    java = told.split('"')[1]
    return f"{system}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, Java {java}"


if __name__ == "__main__":
    run_program(main)
