"""A real JupyterLab on copies of the notebooks, and a Chromium that opens it; all their files are temporary."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from itertools import count
from pathlib import Path

import nbformat
import psutil
import pytest
from playwright.sync_api import Locator, Page

from lib.course.chromium import chromium
from lib.doctor import machine
from lib.settings import ROOT
from lib.wait import wait_until
from tests.conftest import FOLDER, free_port, gone

SCREENSHOTS = ROOT / "build" / "screenshots"
TOKEN = "only-for-the-tests"
# What the page itself remembers: every new state of the live table's rows with its time, and whether a script ran.
WATCH = """() => {
    window.seen = [];
    const look = () => {
        const rows = document.querySelector('.widget-html .trending tbody')?.textContent;
        if (rows && rows !== window.seen.at(-1)?.rows) window.seen.push({at: performance.now() / 1000, rows});
    };
    look();
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
ADD_AND_RUN = """async code => {
    const {shell, commands} = window.jupyterapp, cells = shell.currentWidget.content;
    cells.activeCellIndex = cells.widgets.length - 1;
    await commands.execute('notebook:insert-cell-below');
    cells.activeCell.model.sharedModel.setSource(code);
    commands.execute('notebook:run-cell');
    return cells.activeCellIndex;
}"""


@pytest.fixture(scope="package")
def browser(settings):
    """Chromium; without one, the tests are skipped."""
    found = machine.browser(settings)
    if found.level != "good":
        pytest.skip(found.text)
    with chromium(settings) as started:
        yield started


@pytest.fixture(scope="package")
def lab(browser, broker):
    """A JupyterLab on a copy of notebooks/, so that what it saves never touches the committed ones."""
    started = Lab(browser, FOLDER / "lab")
    yield started
    started.stop()


def living(parent: psutil.Process) -> list[psutil.Process]:
    """The processes below this one; not those that have ended and wait for somebody to ask how."""
    return [process for process in parent.children(recursive=True) if not gone(process.pid)]


class Lab:
    """JupyterLab as a child process, at a free port of 127.0.0.1."""

    def __init__(self, browser, folder: Path) -> None:
        self.browser, self.folder, self.notebooks = browser, folder, folder / "notebooks"
        shutil.copytree(ROOT / "notebooks", self.notebooks, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        self.set("notification", {"fetchNews": "false", "checkForUpdates": False})
        places = ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
        own = {place: str(folder / place.lower()) for place in (*places, "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._numbers = count()
        with open(folder / "lab.log", "wb") as log:
            self.process = psutil.Popen(
                [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
                 f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
                 f"--ServerApp.root_dir={self.notebooks}", "--LabApp.expose_app_in_browser=True"],
                env=os.environ | own, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        try:
            wait_until(self._answers, 60)
        except TimeoutError:
            self.stop()
            raise RuntimeError("JupyterLab does not answer:\n" + (folder / "lab.log").read_text()[-3000:]) from None

    def _answers(self) -> bool:
        try:
            return bool(self.request("api/status"))
        except OSError:
            return False

    def request(self, path: str, method: str = "GET"):
        """What JupyterLab's own interface answers, read from JSON."""
        headers = {"Authorization": f"token {TOKEN}"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/{path}", None, headers, method=method)) as got:
            return json.loads(got.read() or "null")

    def set(self, plugin: str, values: dict) -> None:
        """A JupyterLab setting, in the file that its settings editor would write."""
        file = self.folder / "jupyterlab_settings_dir/@jupyterlab/apputils-extension" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))

    def write(self, name: str, cells: list) -> None:
        """A notebook of these cells' sources, beside the course's own."""
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells], metadata=kernel)
        nbformat.write(book, self.notebooks / name)

    def open(self, name: str) -> "Notebook":
        return Notebook(self, self.page(), name, f"{self.url}/lab/workspaces/w{next(self._numbers)}/tree/{name}")

    def page(self) -> Page:
        """A new page that reaches nothing outside this machine, and records dialogs."""
        page = self.browser.new_page(viewport={"width": 1100, "height": 900})
        page.route(lambda url: not url.startswith((self.url, "file:", "data:", "blob:")), lambda route: route.abort())
        page.dialogs = []
        page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
        return page

    def screenshots(self) -> Path:
        """The folder for pictures: not the tests' own, which goes away with them."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        return SCREENSHOTS

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except psutil.TimeoutExpired:
            self.process.kill()


class Notebook:
    """A notebook that is open in JupyterLab, and the page that it is on."""

    def __init__(self, lab: Lab, page: Page, name: str, url: str) -> None:
        self.lab, self.page, self.name, self.url = lab, page, name, url
        page.goto(f"{url}?token={TOKEN}")
        self._wait_until_open()

    def _wait_until_open(self) -> None:
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.page.wait_for_function("jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel", timeout=60_000)
        self.page.wait_for_function("!document.querySelector('#jupyterlab-splash')")
        self.page.evaluate("jupyterapp.shell.collapseLeft()")
        self.page.evaluate(WATCH)

    def reload(self) -> None:
        """Save, and reload the page, as after a change of theme."""
        self.save()
        self.page.goto(self.url)
        self._wait_until_open()

    def save(self) -> None:
        self.menu("File", "Save Notebook")
        self.page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")

    def menu(self, menu: str, item: str) -> None:
        self.page.locator(".lm-MenuBar-itemLabel", has_text=menu).first.click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()

    def run(self, code: str) -> Locator:
        """Add a cell at the end and run it; its output."""
        index = self.page.evaluate(ADD_AND_RUN, code)
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-Cell-outputArea")

    @property
    def table(self) -> Locator:
        return self.page.locator(".widget-html .trending").last

    def cut_headers(self) -> list[str]:
        """The live table's column headers that do not fit their columns in JupyterLab's own font."""
        cut = "all => all.filter(th => th.scrollWidth > th.clientWidth).map(th => th.textContent)"
        return self.table.locator("th").evaluate_all(cut)

    def press(self, button: str, answer: str = "") -> None:
        """Press a button of the live table; wait until it has been answered, which enables the button `answer`."""
        self.page.locator(".widget-button:enabled", has_text=button).last.click()
        if answer:
            self.page.locator(".widget-button:enabled", has_text=answer).last.wait_for(timeout=5000)

    def seen(self) -> list[dict]:
        """The states of the table's rows so far: when (seconds), and their text."""
        return self.page.evaluate("window.seen")

    def wait_for_changes(self, more: int, seconds: float) -> list[float]:
        """Wait until the rows have changed so many times more; when they did (seconds)."""
        so_far = len(self.seen())
        self.page.wait_for_function("n => window.seen.length >= n", arg=so_far + more, timeout=seconds * 1000)
        return [state["at"] for state in self.seen()[so_far:]]

    def kernel(self) -> psutil.Process:
        """The process of its kernel, once it is there."""
        ids = [s["kernel"]["id"] for s in self.lab.request("api/sessions") if s["path"] == self.name]

        def found() -> psutil.Process | None:
            processes = living(self.lab.process)
            return next((p for p in processes if any(f"kernel-{ids[0]}" in word for word in p.cmdline())), None)

        return wait_until(found, 30)

    def children(self) -> list[psutil.Process]:
        """The processes that its kernel has started."""
        return living(self.kernel())

    def shows(self, place: Locator, text: str, seconds: float = 30) -> None:
        """Wait until the text is there."""
        place.filter(has_text=text).first.wait_for(timeout=seconds * 1000)

    def screenshot(self, name: str) -> None:
        """The whole page and the table, to build/screenshots."""
        self.table.evaluate("table => table.scrollIntoView({block: 'center'})")
        self.page.screenshot(path=self.lab.screenshots() / f"{name}_page.png")
        # Its frame, because the table itself is replaced at each refresh.
        self.page.locator(".widget-html").last.screenshot(path=self.lab.screenshots() / f"{name}.png")

    def close(self) -> None:
        for session in self.lab.request("api/sessions"):
            if session["path"] == self.name:
                self.lab.request(f"api/sessions/{session['id']}", "DELETE")
        self.page.close()
