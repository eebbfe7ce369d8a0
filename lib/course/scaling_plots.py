"""Plots of scaling: the partitions of a group's members, the replicas of brokers, and rates."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.topics.cluster import Partition

IDLE, STATES = "#d0d4d8", {"leader": "C0", "in sync": "#a9c4e4", "out of sync": "#f3d3d8"}


def members(history: Mapping[str, Mapping[str, Sequence[int]]], partitions: int) -> Figure:
    """A map for each moment: lines from the partitions, above, to the members that have them, {name: partitions}."""
    figure, panels = plt.subplots(1, len(history), figsize=(2 * len(history), 1.8), squeeze=False)
    colors: dict[str, str] = {}
    for axes, (moment, shares) in zip(panels[0], history.items(), strict=True):
        axes.set_title(moment, fontsize=9), axes.axis("off")
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
    panels = plt.subplots(1, len(moments), figsize=(2.7 * len(moments), 2), squeeze=False)[1]
    for axes, (moment, partitions) in zip(panels[0], moments.items(), strict=True):
        brokers = sorted({broker for each in partitions for broker in each.replicas})
        for row, each in enumerate(partitions):
            for broker in each.replicas:
                state = "in sync" if broker in each.in_sync else "out of sync"
                state = "leader" if broker == each.leader else state
                axes.barh(row, 0.94, 0.9, brokers.index(broker) - 0.47, color=STATES[state])
                color = "white" if state == "leader" else "black"
                axes.text(brokers.index(broker), row, state, ha="center", va="center", fontsize=7, color=color)
        axes.set_xticks(range(len(brokers)), [f"broker {broker}" for broker in brokers])
        axes.set_yticks(range(len(partitions)), [f"partition {each.number}" for each in partitions])
        axes.set_title(moment, fontsize=9), axes.grid(False), axes.invert_yaxis()
        axes.spines[:].set_visible(False), axes.tick_params(length=0)
    plt.show()


def rates(table: pd.DataFrame, xlabel: str, ylabel: str) -> None:
    """Draw a line for each column of the table over its index, whole numbers."""
    axes = table.plot(marker="o", xlabel=xlabel, ylabel=ylabel, figsize=(7, 2.8))
    axes.set_ylim(bottom=0), axes.set_xticks(table.index)
    plt.show()


def box(axes: Axes, x: float, y: float, text: str, color: str) -> None:
    """Write a text on a coloured background."""
    ink = "black" if color == IDLE else "white"
    style = {"boxstyle": "round,pad=0.3", "facecolor": color, "edgecolor": "none"}
    axes.text(x, y, text, ha="center", va="center", fontsize=7, color=ink, bbox=style)
