"""Around the tweet's way: one notebook, executed headless by papermill, and the page that is made of it."""

import logging
import re
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager

from lib.errors import SettingError, StepError
from lib.settings import ROOT, settings

FOLDER = ROOT / "notebooks"
LOG = settings.build_dir / "logs" / "kernel.log"


class QuietKernel(AsyncKernelManager):
    """A kernel whose own last words (asyncio's about a task still pending, say) go to a log, not to the terminal."""

    async def start_kernel(self, **options):
        settings.folder("logs")
        with open(LOG, "wb") as stderr:
            await super().start_kernel(stderr=stderr, **options)


def parameters(notebook: Path) -> dict[str, str]:
    """{name: default, as it is typed} of a notebook's parameters cell."""
    import papermill

    return {name: known["default"] for name, known in papermill.inspect_notebook(notebook).items()}


def execute(notebook: Path, result: Path, **values: object) -> None:
    """Execute a notebook of the course in its own folder, with these parameters; the executed copy is `result`.

    Raises SettingError for a parameter that it does not have (papermill would only warn), and StepError, which names
    the heading above the cell, where one fails or the kernel dies; `result` is then what there was until there.
    """
    import papermill

    if unknown := values.keys() - parameters(notebook).keys():
        raise SettingError(
            f"{notebook.name} has no parameter {', '.join(sorted(unknown))}",
            f"use its own: {', '.join(parameters(notebook)) or 'it has none'}",
        )
    result.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        papermill.execute_notebook(
            notebook, result, parameters=values, cwd=notebook.parent, progress_bar=False,
            extra_arguments=["--log-level=CRITICAL"], kernel_manager_class=QuietKernel,
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        what, _, remedy = (error.evalue or error.ename).partition("\n  What to do: ")
        raise StepError(
            f"step {step_of(error.source, result)!r} of the notebook failed: {what}",
            f"{remedy}\n  The executed notebook: {result}".lstrip(),
        ) from None
    except RuntimeError as error:  # nbclient's: the kernel did not start, or died
        raise StepError(
            f"the notebook's kernel failed: {error}", f"see whether memory is short, and {LOG}; then try again"
        ) from None


def step_of(source: str, result: Path) -> str:
    """The last heading above the cell with this source."""
    heading = result.stem
    for cell in nbformat.read(result, as_version=4).cells:
        if cell.cell_type == "markdown":
            heading = [heading, *re.findall(r"^##+ (.+)", cell.source, re.MULTILINE)][-1]
        if cell.source == source:
            break
    return heading


def write_html(result: Path) -> Path:
    """An executed notebook as a page beside it, with the course's pictures in it."""
    from nbconvert import HTMLExporter

    # The path is where the pictures are looked for.
    about = {"metadata": {"name": result.stem, "path": str(FOLDER)}}
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(nbformat.read(result, as_version=4), about)
    path = result.with_suffix(".html")
    path.write_text(page, encoding="utf-8")
    return path
