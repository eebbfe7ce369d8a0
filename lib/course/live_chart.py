"""Numbers that are read again and again while a cell runs, as a table or as a live chart in its output."""

import time
from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from lib.wait import wait_until


class Redrawn:
    """A place in the output of a cell where figures replace each other; the last one stays."""

    def __init__(self) -> None:
        self.handle = None

    def show(self, figure: Figure) -> None:
        """Show a figure in place of the one before."""
        if self.handle is None:
            self.handle = display(figure, display_id=True)
        else:
            self.handle.update(figure)
        plt.close(figure)  # or the cell would show it once more at its end


class Samples:
    """Numbers by time: a column of `table` for each entry of `lines`, {name: function that reads the number now}.

    The index is in seconds since the object was made.
    """

    def __init__(self, lines: Mapping[str, Callable[[], float]], every_seconds: float) -> None:
        self.lines, self.every_seconds = lines, every_seconds
        self.rows: list[tuple[float, ...]] = []
        self.began = time.monotonic()

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=["seconds", *self.lines]).set_index("seconds")

    @property
    def now(self) -> float:
        """Seconds since the object was made."""
        return time.monotonic() - self.began

    @property
    def last(self) -> dict[str, float]:
        """What was read last."""
        return dict(zip(self.lines, self.rows[-1][1:], strict=True))

    def take(self, until: Callable[[], bool], seconds: float) -> None:
        """Read until `until()` is true; TimeoutError after `seconds`."""

        def sample() -> bool:
            self.rows.append((self.now, *(read() for read in self.lines.values())))
            self.show()
            return until()

        wait_until(sample, seconds, self.every_seconds)

    def show(self) -> None:
        """Called after each reading."""


class LiveChart(Samples):
    """Samples, drawn in the same place of a cell's output each time that they are read."""

    def __init__(
        self, lines: Mapping[str, Callable[[], float]], title: str, ylabel: str, every_seconds: float = 0.5
    ) -> None:
        super().__init__(lines, every_seconds)
        self.title, self.ylabel, self.place = title, ylabel, Redrawn()
        self.marks: dict[str, float] = {}

    def mark(self, text: str) -> None:
        """Mark this moment by a vertical line."""
        self.marks[text] = self.now

    def show(self) -> None:
        figure, axes = plt.subplots(figsize=(8, 2.8))
        self.table.plot(ax=axes, marker=".", xlabel="seconds", ylabel=self.ylabel, title=self.title)
        axes.set_ylim(bottom=0), axes.set_xlim(left=0), axes.legend(loc="upper right")
        for text, when in self.marks.items():
            axes.axvline(when, color="grey", linestyle=":")
            axes.annotate(text, (when, 1), xycoords=("data", "axes fraction"), fontsize=8, va="top")
        self.place.show(figure)
