"""Main job (`make run`): executes notebooks/00_master.ipynb and shows its trending topics live in the terminal.

At the end it prints the trending topics and the line `verified: …`. It writes build/00_master.ipynb and .html, and
stops everything that it started.
"""

import argparse
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lib import infra
from lib.consumer.store import Store
from lib.consumer.terminal import table
from lib.course import notebook
from lib.errors import QueryError, StepError, run
from lib.infra.java import find_java, java_version
from lib.settings import ROOT, Settings
from lib.wait import exit_on_signals

NOTEBOOK = notebook.FOLDER / "00_master.ipynb"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.course.main_job", description=f"Execute {NOTEBOOK.name}.")
    parser.parse_args(argv)
    settings = Settings.from_environment()
    lock = settings.folder("runs") / "in-use.lock"
    try:
        held = FileLock(lock).acquire(timeout=0)
    except Timeout:  # both write the same result, and the broker would stop when the first one ends
        what = "another `make run` is running in this folder"
        raise StepError(what, "wait until it has ended", used=lock) from None
    with held:
        run_job(settings, Console())


def run_job(settings: Settings, console: Console) -> None:
    """Run the whole job; StepError if a step fails. A broker that it started is stopped."""
    java, result = find_java(settings), settings.build_dir / NOTEBOOK.name
    console.print(f"==> Java {java_version(java)} at {java}", highlight=False)
    exit_on_signals()
    broker = None
    try:
        broker = infra.up(settings)
        console.print(f"==> {broker}", highlight=False)
        console.print(execute(settings, result, console))
        print(verified_line(result))
        page = notebook.write_html(result)
        console.print(f"==> the executed notebook: {result} and {page.name}", highlight=False, soft_wrap=True)
    finally:
        if broker and broker.started:
            console.print(f"==> {infra.down(settings)}", highlight=False)


def execute(settings: Settings, result: Path, console: Console) -> Table:
    """Execute the notebook and return its last trending topics and totals; StepError if a cell fails."""
    name = f"main-job-{datetime.now():%Y%m%d-%H%M%S}"
    store = Store(settings.build_dir / "runs" / name / "trends.db")
    began = time.monotonic()

    def picture() -> Table | Text:
        if store.path.exists():
            with suppress(QueryError):  # its tables do not exist yet
                return table(store.ranking(settings.top), store.totals())
        return Text(f"    {time.monotonic() - began:.0f} s: starting Spark, waiting for the first batch")

    console.print(f"==> executing {NOTEBOOK.relative_to(ROOT)}, which takes about a minute", highlight=False)
    with Live(console=console, get_renderable=picture, refresh_per_second=2, transient=True):
        notebook.execute(settings, NOTEBOOK, result, RUN=name)
    return table(store.ranking(settings.top), store.totals())


def verified_line(result: Path) -> str:
    """The line `verified: …` that the notebook printed after it had compared all counts."""
    for cell in nbformat.read(result, as_version=4).cells:
        for output in cell.get("outputs", []):
            for line in output.get("text", "").splitlines():
                if line.startswith("verified:"):
                    return line
    raise StepError("the notebook ended without the line 'verified: …'", f"see all of it in {result}", result=result)


if __name__ == "__main__":
    run(main)
