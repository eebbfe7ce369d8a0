"""One notebook: its parameters, its execution by papermill, and its HTML page."""

import logging
import re
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from traitlets import Unicode
from traitlets.config import Config

from lib.errors import SettingError, StepError
from lib.settings import ROOT, Settings

FOLDER = ROOT / "notebooks"


class QuietKernel(AsyncKernelManager):
    """A kernel whose standard error, such as asyncio's warnings at its end, goes to a log, not to the terminal."""

    log_file = Unicode().tag(config=True)

    async def start_kernel(self, **options):
        with open(self.log_file, "wb") as stderr:
            await super().start_kernel(stderr=stderr, **options)


def parameters(notebook: Path) -> list[str]:
    """The names that a notebook's parameters cell assigns."""
    import papermill

    return list(papermill.inspect_notebook(notebook))


def execute(settings: Settings, notebook: Path, result: Path, **values: object) -> None:
    """Execute a notebook in its own folder, with these parameters; the executed copy is `result`.

    Raises SettingError for a parameter that it does not have (papermill would only warn). Raises StepError if a cell
    fails, with the heading above that cell, or if the kernel dies; `result` then ends there.
    """
    import papermill

    known = parameters(notebook)
    if unknown := sorted(values.keys() - set(known)):
        raise SettingError(
            f"{notebook.name} has no parameter {', '.join(unknown)}",
            f"use its own: {', '.join(known) or 'it has none'}",
            unknown=unknown, known=known,
        )  # fmt: skip
    result.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    log = settings.folder("logs") / "kernel.log"
    try:
        papermill.execute_notebook(
            notebook, result, parameters=values, cwd=notebook.parent, progress_bar=False,
            extra_arguments=["--log-level=CRITICAL"],
            kernel_manager_class=QuietKernel, config=Config(QuietKernel={"log_file": str(log)}),
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        what, _, remedy = (error.evalue or error.ename).partition("\n  What to do: ")
        step = step_of(error.source, result)
        raise StepError(
            f"step {step!r} of the notebook failed: {what}",
            f"{remedy}\n  The executed notebook: {result}".lstrip(),
            step=step, error=error.ename, result=result,
        ) from None  # fmt: skip
    except RuntimeError as error:  # nbclient's: the kernel did not start, or died
        raise StepError(
            f"the notebook's kernel failed: {error}", f"check the free memory and {log}, then try again",
            error=type(error).__name__, result=result,
        ) from None  # fmt: skip


def step_of(source: str, result: Path) -> str:
    """The last heading above the cell with this source."""
    heading = result.stem
    for cell in nbformat.read(result, as_version=4).cells:
        if cell.cell_type == "markdown":
            heading = [heading, *re.findall(r"^##+ (.+)", cell.source, re.MULTILINE)][-1]
        if cell.source == source:
            break
    return heading


def write_html(result: Path, pictures: Path = FOLDER) -> Path:
    """Write an executed notebook as an HTML page beside it, with the pictures of the folder `pictures` embedded."""
    from nbconvert import HTMLExporter

    about = {"metadata": {"name": result.stem, "path": str(pictures)}}
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(nbformat.read(result, as_version=4), about)
    path = result.with_suffix(".html")
    path.write_text(page, encoding="utf-8")
    return path
