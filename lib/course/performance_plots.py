"""Plots of performance: the parts of a start and of a micro-batch, the cost of a batch by its size, and a race."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

COLORS, GREY = 6, "#8d959d"  # the style has so many colours


def timeline(programs: Mapping[str, Mapping[str, float]]) -> None:
    """Draw the parts of each program one after the other, in seconds: {program: {part: seconds}}."""
    axes = plt.subplots(figsize=(8, 1.6 + 0.45 * len(programs)))[1]
    table = pd.DataFrame(programs).T.iloc[::-1]
    begins = table.cumsum(axis=1) - table
    for number, part in enumerate(table):
        color = f"C{number}" if number < COLORS else GREY
        bars = axes.barh(table.index, table[part], 0.6, begins[part], label=part, color=color, edgecolor="white")
        labels = [f"{length:.1f}" if length > 0.04 * table.sum(axis=1).max() else "" for length in table[part]]
        axes.bar_label(bars, labels, label_type="center", fontsize=8, color="white")
    axes.set_xlabel("seconds since the process began"), axes.grid(axis="y", visible=False)
    axes.legend(ncols=4, loc="lower left", bbox_to_anchor=(-0.1, 1))
    plt.show()


def waterfall(parts: pd.Series, whole: float, title: str) -> None:
    """Draw the parts of a micro-batch, in seconds, one below and after the other, and the whole at the end."""
    axes = plt.subplots(figsize=(8, 0.9 + 0.28 * (len(parts) + 1)))[1]
    names, lengths = [*parts.index, "triggerExecution"], [1000 * length for length in (*parts, whole)]
    begins = [*1000 * (parts.cumsum() - parts), 0]
    bars = axes.barh(names, lengths, 0.7, begins, color=["C0"] * len(parts) + [GREY])
    axes.bar_label(bars, [f"{length:.0f}" for length in lengths], padding=3, fontsize=8)
    axes.invert_yaxis(), axes.grid(axis="y", visible=False)
    axes.set(title=title, xlabel="milliseconds since the micro-batch began", xlim=(0, 1.15 * max(lengths)))
    plt.show()


def batch_sizes(seconds: pd.Series, fixed: float, each: float) -> None:
    """Draw the seconds of a micro-batch by its number of tweets, with the line fixed + each * tweets; and the rates."""
    left, right = plt.subplots(1, 2, figsize=(8, 2.8))[1]
    sizes = np.linspace(0, seconds.index.max(), 200)[1:]
    left.plot(seconds.index, seconds, "o"), left.plot(sizes, fixed + each * sizes, "C0--")
    left.axhline(fixed, color="C1", linestyle=":", label="the fixed cost")
    left.set(title="seconds of a micro-batch", xlabel="tweets in it", ylim=(0, None)), left.legend()
    right.plot(seconds.index, seconds.index / seconds, "o"), right.plot(sizes, sizes / (fixed + each * sizes), "C0--")
    right.set(title="tweets per second", xlabel="tweets in a micro-batch", ylim=(0, None))
    for axes in (left, right):
        axes.locator_params("x", nbins=5)
    plt.show()


def race(seconds: pd.DataFrame, costs: Mapping[str, tuple[float, float]]) -> None:
    """Draw seconds by number of tweets, both on logarithmic scales.

    `seconds` has the measurements, a column for each program, the numbers of tweets as index. `costs` has the lines:
    {name: (fixed cost, cost of a tweet)}, in seconds.
    """
    axes = plt.subplots(figsize=(8, 3.4))[1]
    sizes = np.logspace(3, 8, 200)
    for number, (name, (fixed, each)) in enumerate(costs.items()):
        style = "-" if name in seconds else "--"
        axes.plot(sizes, fixed + each * sizes, style, color=f"C{number}", label=name)
        if name in seconds:
            axes.plot(seconds.index, seconds[name], "o", color=f"C{number}")
    axes.axvspan(seconds.index.max(), sizes[-1], color="grey", alpha=0.12, label="not measured: the lines continued")
    axes.set(xscale="log", yscale="log", xlabel="tweets", ylabel="seconds"), axes.legend()
    axes.set_xlim(sizes[0], sizes[-1])
    plt.show()
