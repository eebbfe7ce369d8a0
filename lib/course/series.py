"""Series (`make notebooks`): executes all notebooks of a folder in order.

Executed notebooks, HTML pages and an index of them go to build/notebooks. A notebook that fails does not stop the next.
`--update` writes the outputs of a run with the notebooks' own parameters into the folder, to be committed.
"""

import argparse
import ast
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console

from lib import infra
from lib.course import notebook
from lib.errors import CourseError, SettingError, run
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import exit_on_signals

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True)
class Run:
    """One notebook's execution: its name, its duration in seconds, and its error, empty if it passed."""

    name: str
    seconds: float
    error: str = ""

    def __str__(self) -> str:
        return f"{self.name:<22} {'FAILED' if self.error else 'passed'} {self.seconds:5.0f} s"


def run_series(
    settings: Settings, paths: Sequence[Path], values: dict[str, object], update: bool, console: Console
) -> list[Run]:
    """Execute the notebooks in order, each with the values of its own parameters; print a line for each."""
    shutil.rmtree(settings.build_dir / "notebooks", ignore_errors=True)
    results, runs = settings.folder("notebooks"), []
    for path in paths:
        result, began, failure = results / path.name, time.monotonic(), ""
        own = {key: value for key, value in values.items() if key in notebook.parameters(path)}
        try:
            with console.status(f"    {path.stem}: running"):
                notebook.execute(settings, path, result, **own)
            if update:
                copy_outputs(result, path)
        except CourseError as error:
            failure = str(error)
        runs.append(Run(path.stem, time.monotonic() - began, failure))
        if result.exists():
            notebook.write_html(result, path.parent)
        console.print(f"{runs[-1]}\n{failure}".rstrip(), highlight=False, markup=False, soft_wrap=True)
    write_texts(paths[0].parent, results)
    link_pages(results)
    write_index(results, runs)
    return runs


def copy_outputs(result: Path, path: Path) -> None:
    """Write an executed notebook's outputs into the committed one, without the metadata of the run."""
    executed = nbformat.read(result, as_version=4)
    for cell in executed.cells:
        for trace in ("papermill", "execution"):
            cell.metadata.pop(trace, None)
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
    executed.metadata = nbformat.from_dict(METADATA)
    nbformat.write(executed, path)


def write_texts(folder: Path, results: Path) -> None:
    """Write a page for each Markdown file beside the notebooks, such as the glossary that they link."""
    for text in folder.glob("*.md"):
        result = results / f"{text.stem}.ipynb"
        cell = nbformat.v4.new_markdown_cell(text.read_text(encoding="utf-8"))
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), result)
        notebook.write_html(result, folder)
        result.unlink()


def link_pages(results: Path) -> None:
    """Make the links between notebooks and texts link their pages, as far as these were made."""
    pages = {page.stem: page for page in results.glob("*.html")}
    names = "|".join(map(re.escape, pages))
    for page in pages.values():
        linked = re.sub(rf'href="({names})\.(?:ipynb|md)(["#])', r'href="\1.html\2', page.read_text(encoding="utf-8"))
        page.write_text(linked, encoding="utf-8")


def write_index(folder: Path, runs: list[Run]) -> None:
    """Write index.html, with a line for each notebook, linked to its page. Errors are escaped."""
    loader = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    page = templates.get_template("index.html.jinja").render(runs=runs)
    (folder / "index.html").write_text(page, encoding="utf-8")


def choose(folder: Path, wanted: list[str]) -> list[Path]:
    """The folder's notebooks in order, all of them or those wanted; SettingError for one that does not exist."""
    paths = {path.stem: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if unknown := sorted(set(wanted) - paths.keys()):
        known = ", ".join(paths) or f"there is none in {folder}"
        raise SettingError(f"there is no notebook {', '.join(unknown)}", f"use: {known}", unknown=unknown)
    return [path for name, path in paths.items() if name in wanted or not wanted]


def read_values(pairs: list[list[str]], paths: Sequence[Path]) -> dict[str, object]:
    """{name: value} of the -p options; SettingError for a name that none of the notebooks has."""
    known = {key for path in paths for key in notebook.parameters(path)}
    values = {}
    for key, text in pairs:
        if key not in known:
            names = ", ".join(sorted(known))
            raise SettingError(f"no notebook has a parameter {key}", f"use one of: {names}", unknown=[key])
        try:
            values[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):  # a word, not a number
            values[key] = text
    return values


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.course.series", description="Execute the notebooks in order.")
    parser.add_argument("notebook", nargs="*", help="only these, such as 02_producer (default: all)")
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter")
    parser.add_argument("--update", action="store_true", help="refresh the committed outputs")
    parser.add_argument("--folder", type=Path, default=notebook.FOLDER, metavar="DIR", help="default: notebooks")
    options = parser.parse_args(argv)
    if options.update and options.p:
        parser.error("--update takes the notebooks' own parameters: omit -p")
    settings = Settings.from_environment()
    paths = choose(options.folder.resolve(), options.notebook)
    values = read_values(options.p, paths)
    exit_on_signals()
    console = Console()
    with Cluster.of(settings) as cluster:
        answered = cluster.answers()
    console.print(f"==> executing {len(paths)} notebook(s); each takes a minute or two", highlight=False)
    try:
        runs = run_series(settings, paths, values, options.update, console)
    finally:
        if not answered:  # the first notebook that needed a broker started it
            console.print(f"==> {infra.down(settings)}", highlight=False)
    failed, index = sum(bool(run.error) for run in runs), settings.build_dir / "notebooks" / "index.html"
    done = f"==> {len(runs) - failed} passed, {failed} failed; see {index}"
    console.print(done, highlight=False, soft_wrap=True)
    return 1 if failed else 0


if __name__ == "__main__":
    run(main)
