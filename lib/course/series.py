"""Around the tweet's way: the whole series, executed headless in order, for an instructor: `make notebooks`.

Executed notebooks, pages and an index of them go to build/notebooks. A notebook that fails does not stop the others.
`--update` writes the outputs of a run with the notebooks' own parameters into `notebooks/`, to be committed.
"""

import argparse
import ast
import shutil
import sys
import time
from dataclasses import dataclass
from html import escape
from pathlib import Path

import nbformat
from rich.console import Console

from lib import infra, topics
from lib.course import notebook
from lib.errors import CourseError, SettingError
from lib.settings import settings

RESULTS = settings.build_dir / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True)
class Run:
    """One notebook's execution: its name, how long it took in seconds, and what went wrong, if anything did."""

    name: str
    seconds: float
    error: str = ""

    def __str__(self) -> str:
        return f"{self.name:<22} {'FAILED' if self.error else 'passed'} {self.seconds:5.0f} s"


def run_series(names: list[str], values: dict[str, object], update: bool, console: Console) -> list[Run]:
    """Execute the notebooks in order, each with those of the values that it has as parameters; a line for each."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    settings.folder(RESULTS.name)
    runs = []
    for name in names:
        path, result, began = notebook.FOLDER / f"{name}.ipynb", RESULTS / f"{name}.ipynb", time.monotonic()
        mine = {key: value for key, value in values.items() if key in notebook.parameters(path)}
        try:
            with console.status(f"    {name}: at work"):
                notebook.execute(path, result, **mine)
            runs.append(Run(name, time.monotonic() - began))
            if update:
                take_over_outputs(result, path)
        except CourseError as error:
            runs.append(Run(name, time.monotonic() - began, str(error)))
        if result.exists():
            notebook.write_html(result)
        console.print(f"{runs[-1]}\n{runs[-1].error}".rstrip(), highlight=False, markup=False, soft_wrap=True)
    write_index(runs)
    return runs


def take_over_outputs(result: Path, path: Path) -> None:
    """Write an executed notebook's outputs into the committed one, without the traces of the run."""
    executed = nbformat.read(result, as_version=4)
    for cell in executed.cells:
        for trace in ("papermill", "execution"):
            cell.metadata.pop(trace, None)
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
    executed.metadata = nbformat.from_dict(METADATA)
    nbformat.write(executed, path)


def write_index(runs: list[Run]) -> Path:
    """A page with a line for each notebook, linked to its page."""
    rows = "".join(
        f"<tr><td><a href='{run.name}.html'>{run.name}</a><td>{'failed' if run.error else 'passed'}"
        f"<td>{run.seconds:.0f} s<td><pre>{escape(run.error)}</pre>"
        for run in runs
    )
    page = RESULTS / "index.html"
    page.write_text(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>The series, executed</title>"
        "<style>body{font-family:sans-serif;margin:2em}td,th{text-align:left;padding:4px 16px 4px 0}</style>"
        f"<h1>The series, executed</h1><table><tr><th>notebook<th>result<th>time<th>{rows}</table>",
        encoding="utf-8",
    )
    return page


def choose(wanted: list[str]) -> list[str]:
    """The notebooks' names in order, all of them or those wanted; SettingError for one that is not there."""
    names = sorted(path.stem for path in notebook.FOLDER.glob("[0-9][0-9]_*.ipynb"))
    if unknown := set(wanted) - set(names):
        raise SettingError(f"there is no notebook {', '.join(sorted(unknown))}", f"use: {', '.join(names)}")
    return [name for name in names if name in wanted or not wanted]


def read_values(pairs: list[list[str]], names: list[str]) -> dict[str, object]:
    """{name: value} of the -p options; SettingError for a name that none of the notebooks has."""
    known = {key for name in names for key in notebook.parameters(notebook.FOLDER / f"{name}.ipynb")}
    values = {}
    for key, text in pairs:
        if key not in known:
            raise SettingError(f"no notebook has a parameter {key}", f"use one of: {', '.join(sorted(known))}")
        try:
            values[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):  # a word, not a number
            values[key] = text
    return values


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.course.series", description="Execute the notebooks in order.")
    parser.add_argument("notebook", nargs="*", help="only these, such as 02_producer (default: all)")
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter")
    parser.add_argument("--update", action="store_true", help="refresh the committed outputs")
    options = parser.parse_args()
    if options.update and options.p:
        parser.error("--update takes the notebooks' own parameters: leave out -p")
    names = choose(options.notebook)
    values = read_values(options.p, names)
    infra.exit_on_signals()
    console, not_ours = Console(), topics.answers()
    console.print(f"==> executing {len(names)} notebook(s); each takes a minute or two", highlight=False)
    try:
        runs = run_series(names, values, options.update, console)
    finally:
        if not not_ours:  # the first notebook that needed a broker started it
            console.print(f"==> {infra.down()}", highlight=False)
    failed = sum(bool(run.error) for run in runs)
    console.print(
        f"==> {len(runs) - failed} passed, {failed} failed; begin at {RESULTS / 'index.html'}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
