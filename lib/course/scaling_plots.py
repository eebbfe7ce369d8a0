"""Plots of scaling: the partitions of a group's members, the replicas of brokers, and rates."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.topics.cluster import Partition

COLUMNS, MARKERS = 3, ("o-", "s--", "^:")
IDLE, STATES = "#d0d4d8", {"leader": "C0", "in sync": "#a9c4e4", "out of sync": "#f3d3d8"}


def members(history: Mapping[str, Mapping[str, Sequence[int]]], partitions: int) -> Figure:
    """A map for each moment: lines from the partitions, above, to the members that have them, {name: partitions}."""
    rows = -(-len(history) // COLUMNS)
    figure, panels = plt.subplots(rows, COLUMNS, figsize=(3 * COLUMNS, 1.9 * rows), squeeze=False)
    colors: dict[str, str] = {}
    for axes in panels.flat:
        axes.axis("off")
    for axes, (moment, shares) in zip(panels.flat, history.items(), strict=False):  # the last row may not be full
        axes.set_title(moment, fontsize=10)
        axes.set(xlim=(-1, partitions), ylim=(-0.3, 1.2))
        for place, (member, own) in enumerate(shares.items()):
            x = (place + 0.5) * (partitions + 1) / len(shares) - 1
            color = colors.setdefault(member, f"C{len(colors)}")
            for partition in own:
                axes.plot([partition, x], [1, 0], color=color, zorder=1)
                box(axes, partition, 1, str(partition), color)
            box(axes, x, 0, member if own else f"{member}\nidle", color if own else IDLE)
    return figure


def replicas(moments: Mapping[str, Sequence[Partition]]) -> None:
    """Draw for each moment which broker has which partition: as leader, as in-sync replica, or out of sync."""
    panels = plt.subplots(1, len(moments), figsize=(3.2 * len(moments), 2), squeeze=False)[1]
    for axes, (moment, partitions) in zip(panels[0], moments.items(), strict=True):
        brokers = sorted({broker for each in partitions for broker in each.replicas})
        for row, each in enumerate(partitions):
            for broker in each.replicas:
                state = "in sync" if broker in each.in_sync else "out of sync"
                state = "leader" if broker == each.leader else state
                axes.barh(row, 0.94, 0.9, brokers.index(broker) - 0.47, color=STATES[state])
                color = "white" if state == "leader" else "black"
                axes.text(brokers.index(broker), row, state, ha="center", va="center", fontsize=8, color=color)
        axes.set_xticks(range(len(brokers)), [f"broker {broker}" for broker in brokers])
        axes.set_yticks(range(len(partitions)), [f"partition {each.number}" for each in partitions])
        axes.set_title(moment, fontsize=9), axes.grid(False), axes.invert_yaxis()
        axes.spines[:].set_visible(False), axes.tick_params(length=0)
    plt.show()


def rates(table: pd.DataFrame, title: str, xlabel: str, ylabel: str, singles: pd.Series | None = None) -> None:
    """Draw a line for each column of the table over its index, whole numbers.

    `singles` are drawn as points of the same colour: their index has pairs of the table's index and column.
    """
    axes = table.plot(style=list(MARKERS[: len(table.columns)]), title=title, xlabel=xlabel, figsize=(7, 2.8))
    for (x, column), y in (singles if singles is not None else pd.Series()).items():
        axes.plot(x, y, ".", color=f"C{table.columns.get_loc(column)}", alpha=0.6)
    axes.set_ylabel(ylabel), axes.set_ylim(bottom=0), axes.set_xticks(table.index)
    plt.show()


def bursts(tables: Mapping[str, pd.DataFrame], limit: int) -> None:
    """Draw the lag of all tables of `lib.course.query_numbers`, and for each what arrives and what Spark reports."""
    lags, *panels = plt.subplots(1, 1 + len(tables), figsize=(4 * (1 + len(tables)), 3))[1]
    for (name, table), axes in zip(tables.items(), panels, strict=True):
        table["lag"].plot(ax=lags, label=name)
        arrivals = table["arrived"].diff() / table.index.to_series().diff()
        arrivals.plot(ax=axes, label="arrive", drawstyle="steps-pre")
        table["inputRowsPerSecond"].plot(ax=axes, drawstyle="steps-post", linestyle="--")
        axes.set(title=f"{name}: tweets per second", yscale="log", ylim=(100, 100_000)), axes.legend(loc="upper right")
    lags.axhline(limit, color="grey", linestyle=":", label="the limit")
    lags.set(title="lag, in tweets", ylim=(0, None)), lags.legend()
    for axes in (lags, *panels):
        axes.set_xlabel("seconds")
    plt.show()


def box(axes: Axes, x: float, y: float, text: str, color: str) -> None:
    """Write a text on a coloured background."""
    ink = "black" if color == IDLE else "white"
    style = {"boxstyle": "round,pad=0.3", "facecolor": color, "edgecolor": "none"}
    axes.text(x, y, text, ha="center", va="center", fontsize=9, color=ink, bbox=style)
