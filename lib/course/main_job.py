"""The whole way at once, from a terminal: `make run` executes notebooks/00_master.ipynb and shows what it sees.

A table moves in the terminal while the notebook works; at the end come the trending topics and the line `verified: …`.
It leaves build/00_master.ipynb and .html, and nothing running that it started.
"""

import json
import time
from datetime import datetime

import nbformat
from filelock import FileLock, Timeout
from rich.console import Console
from rich.live import Live
from rich.text import Text

from lib import infra
from lib.consumer.terminal import table
from lib.course import notebook
from lib.errors import StepError
from lib.infra.java import find_java, java_version
from lib.settings import ROOT, settings

NOTEBOOK = notebook.FOLDER / "00_master.ipynb"
RESULT = settings.build_dir / NOTEBOOK.name


def main() -> None:
    try:
        lock = FileLock(settings.folder("runs") / "in-use.lock").acquire(timeout=0)
    except Timeout:  # it would take the other one's result, and its broker would go with the other
        raise StepError("another `make run` is at work in this folder", "wait until it has ended") from None
    with lock:
        run(Console())


def run(console: Console) -> None:
    """The whole job; StepError where a step of it fails. A broker that it started it stops."""
    console.print(f"==> Java {java_version(find_java())} at {find_java()}", highlight=False)
    infra.exit_on_signals()
    broker = None
    try:
        broker = infra.up()
        console.print(f"==> {broker}", highlight=False)
        latest = execute(console)
        console.print(table(**latest))
        print(verified_line())
        console.print(
            f"==> the executed notebook: {RESULT} and {notebook.write_html(RESULT).name}",
            highlight=False,
            soft_wrap=True,
        )
    finally:
        if broker and broker.started:
            console.print(f"==> {infra.down()}", highlight=False)


def execute(console: Console) -> dict:
    """Execute the notebook and return its last {ranking, totals}; StepError where a cell fails."""
    run = f"main-job-{datetime.now():%Y%m%d-%H%M%S}"
    latest = settings.build_dir / "runs" / run / "latest.json"
    began = time.monotonic()

    def picture():
        try:
            return table(**json.loads(latest.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return Text(f"    {time.monotonic() - began:.0f} s: starting Spark, waiting for the first batch")

    console.print(f"==> executing {NOTEBOOK.relative_to(ROOT)}, which takes about a minute", highlight=False)
    with Live(console=console, get_renderable=picture, refresh_per_second=2, transient=True):
        notebook.execute(NOTEBOOK, RESULT, RUN=run)
    return json.loads(latest.read_text(encoding="utf-8"))


def verified_line() -> str:
    """The line `verified: …` that the notebook printed after it had compared all counts."""
    for cell in nbformat.read(RESULT, as_version=4).cells:
        for output in cell.get("outputs", []):
            for line in output.get("text", "").splitlines():
                if line.startswith("verified:"):
                    return line
    raise StepError("the notebook ended without the line 'verified: …'", f"see the whole in {RESULT}")


if __name__ == "__main__":
    main()
