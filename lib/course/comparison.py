"""Comparison of measurements: several ways of doing the same, each measured several times, in turns."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd


def compare(
    measure: Callable[..., tuple[float, float]], messages: Sequence, ways: Mapping[str, Mapping], repeats: int
) -> pd.DataFrame:
    """A row for each way, {name: options of measure}: median, lowest and highest rate, and messages per request.

    `measure(messages, **options)` returns the seconds and the requests that it took. All ways are measured once, then
    all of them again: a machine that becomes slower or faster in the meantime does not favour one of them.
    """
    rows = [(name, *measure(messages, **ways[name])) for _ in range(repeats) for name in ways]
    results = pd.DataFrame(rows, columns=["way", "seconds", "requests"]).set_index("way")
    results = (len(messages) / results).groupby("way", sort=False)
    table = results["seconds"].agg(["median", "min", "max"])
    table.columns = ["messages/s (median)", "lowest", "highest"]
    table["messages per request"] = results["requests"].median()
    return table.round().astype(int).rename_axis(None)
