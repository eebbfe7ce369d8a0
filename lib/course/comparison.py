"""Comparison of measurements: several ways of doing the same, each measured several times, in turns."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd


def compare(
    measure: Callable[..., tuple[float, float]], messages: Sequence, ways: Mapping[str, Mapping], repeats: int
) -> pd.DataFrame:
    """A row for each way, {name: options of measure}: median, lowest and highest rate, and messages per request.

    `measure(messages, **options)` returns a rate and the messages per request. All ways are measured once, then all of
    them again: a machine that becomes slower or faster in the meantime does not favour one of them.
    """
    rows = [(name, *measure(messages, **ways[name])) for _ in range(repeats) for name in ways]
    results = pd.DataFrame(rows, columns=["way", "rate", "per request"]).groupby("way", sort=False)
    table = results["rate"].agg(["median", "min", "max"])
    table.columns = ["messages/s (median)", "lowest", "highest"]
    table["messages per request"] = results["per request"].median()
    return table.round().astype(int).rename_axis(None)
