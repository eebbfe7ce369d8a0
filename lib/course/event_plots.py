"""Plots of event time: the windows that tweets lie in, and a watermark that closes windows."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd


def windows(times: pd.Series, counted: Mapping[str, pd.DataFrame], start: pd.Timestamp) -> None:
    """Draw event times, and below them the windows (start, end, tweets) of each kind; in seconds since `start`."""
    axes = plt.figure(figsize=(8, 2.8)).add_subplot()
    axes.plot((times - start).dt.total_seconds(), [3.5] * len(times), "|", markersize=14)
    for row, rows in zip((2.4, 1.2, 0), counted.values(), strict=True):
        for n, window in enumerate(rows.itertuples()):
            begin, end = ((time - start).total_seconds() for time in (window.start, window.end))
            bar = axes.barh(row + 0.45 * (n % 2), end - begin, 0.4, begin, color=f"C{n % 2}", alpha=0.6)
            axes.bar_label(bar, [window.tweets], label_type="center", fontsize=8)
    axes.set_yticks([3.5, 2.6, 1.4, 0.2], ["tweets", *counted])
    axes.set_xlabel("event time, seconds")
    plt.show()


def watermark(events: Sequence[int], watermarks: Sequence[int], late: set[int], size: int) -> None:
    """Draw events by arrival, two in a micro-batch, with the watermark of each micro-batch, in seconds.

    A window, `size` seconds long, is open until the first micro-batch whose watermark has passed its end.
    """
    axes = plt.subplots(figsize=(8, 3.8))[1]
    end = len(events) + 1
    between = np.arange(0.5, end, 2)  # two micro-batches
    axes.step(between, [*watermarks, watermarks[-1]], where="post", color="C3", label="watermark")
    for start in range(0, max(events) + 1, size):
        closed = next((n for n, mark in enumerate(watermarks) if mark >= start + size), len(watermarks))
        axes.broken_barh([(0.5, 2 * closed)], (start, 0.96 * size), color="C0", alpha=0.15)
    for marker, color, label, is_late in (("o", "C0", "in time", False), ("X", "C3", "late", True)):
        chosen = [(n, event) for n, event in enumerate(events, 1) if (event in late) == is_late]
        axes.plot(*zip(*chosen, strict=True), marker, color=color, markersize=10 if is_late else 6, label=label)
    axes.set_xticks(between), axes.set_yticks(range(0, max(events) + size, size)), axes.legend(loc="upper left")
    axes.set(title="A window is open (blue) until the watermark passes its end", ylabel="event time, seconds")
    axes.set(xlabel="arrival: ten events, a line between two micro-batches", xlim=(0.5, end - 0.4))
    plt.show()
