"""Widget of the live table: HTML that a thread refreshes, and buttons to pause it and to stop the query."""

import threading
from collections.abc import Callable
from typing import Self

import ipywidgets
import pandas as pd
from IPython.display import HTML, display

from lib.consumer.running import Consumer
from lib.consumer.status import Status, status_of
from lib.errors import QueryError
from lib.live_table.html import to_html
from lib.ranking import RANKING


class LiveTable:
    """A table that refreshes itself every `refresh_seconds`; the cell that shows it returns at once.

    Its buttons answer while other cells run. *Pause* stops refreshing the table while the query keeps running, *Resume*
    starts it again, *Stop* ends the query. Show it by `show()` or `with`, and end it by `stop()` or the end of `with`.
    """

    def __init__(self, consumer: Consumer, refresh_seconds: float = 5) -> None:
        self.consumer, self.refresh_seconds = consumer, refresh_seconds
        self.table = ipywidgets.HTML(self.html())
        self.pause = button("Pause", "pause", lambda: self._pause(True))
        self.resume = button("Resume", "play", lambda: self._pause(False))
        self.end = button("Stop", "stop", self._end)
        self.buttons = (self.pause, self.resume, self.end)
        self.resume.disabled = True
        self._paused, self._wake, self._over = False, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._refresh, daemon=True, name="live table")

    def __enter__(self) -> Self:
        return self.show()

    def __exit__(self, *_) -> None:
        self.close()

    def html(self) -> str:
        """The table as it is now; without rows if the database cannot be read."""
        store = self.consumer.store
        try:
            return to_html(store.ranking(self.consumer.top), store.totals(), status_of(self.consumer))
        except QueryError as error:
            told = Status("failed", f"{error.what[0].upper()}{error.what[1:]}. {error.remedy}")
            return to_html(pd.DataFrame(columns=RANKING), {}, told)

    def show(self) -> Self:
        """Display the table and start to refresh it."""
        display(ipywidgets.VBox([ipywidgets.HBox(self.buttons), self.table]))
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop refreshing, and leave the last table as plain HTML, which needs no kernel. Safe to call twice."""
        self._finish()
        if self._thread.is_alive():
            self._thread.join()
        self.table.value = self.html()
        display(HTML(self.table.value))

    close = stop

    def _refresh(self) -> None:
        # From a thread only `.value` is safe: print and display would write into whichever cell runs now.
        while not self._over.is_set():
            self._wake.wait(self.refresh_seconds)
            self._wake.clear()
            active = self.consumer.active  # asked first, so that the last table shows the end, even if paused
            if not self._paused or not active:
                self.table.value = self.html()
            if not active:
                self._finish()

    def _pause(self, paused: bool) -> None:
        self._paused, self.pause.disabled, self.resume.disabled = paused, paused, not paused
        (self.table.add_class if paused else self.table.remove_class)("paused")
        self._wake.set()

    def _end(self) -> None:
        self.end.disabled = True
        threading.Thread(target=lambda: (self.consumer.end(), self._wake.set()), daemon=True).start()

    def _finish(self) -> None:
        self._over.set()
        self._wake.set()
        self.table.remove_class("paused")
        for each in self.buttons:
            each.disabled = True


def button(text: str, icon: str, action: Callable[[], None]) -> ipywidgets.Button:
    """A button that calls `action`, while other cells run too."""
    made = ipywidgets.Button(description=text, icon=icon, layout={"width": "110px"})
    made.on_click(lambda _: action())
    answer_in_subshell(made)
    return made


def answer_in_subshell(widget: ipywidgets.Widget) -> None:
    """Handle a widget's messages in the subshell that the browser sends them to.

    JupyterLab sends a click to a subshell, a thread of the kernel that need not wait for the running cell. ipykernel
    redirects it to the cells' thread, where the widget was created, and has no option against that. So this replaces a
    private method (tried with ipykernel 7.4.0).
    """
    widget.comm._reply_subshell_for = lambda data, subshell: subshell
