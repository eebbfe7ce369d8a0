"""Comparison of measurements: several ways of doing the same, each measured several times, in turns."""

import time
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

LEAST_SECONDS = 0.01


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


def fastest(programs: Mapping[str, Callable], inputs: Mapping[float, object], repeats: int) -> pd.DataFrame:
    """The seconds of each program's fastest run: a row for each of the inputs, {size: argument}, a column for each
    program. The programs run in turns, and one turn with the last input warms up.

    AssertionError unless all programs give the same answer.
    """
    rows = []
    for turn in range(-1, repeats):
        for size, argument in list(inputs.items())[-1 if turn < 0 else 0 :]:
            answers = []
            for name, program in programs.items():
                began = time.monotonic()
                answers.append(program(argument))
                rows.append((turn, size, name, time.monotonic() - began))
            assert all(answer == answers[0] for answer in answers), f"the answers differ for {argument}"
    found = pd.DataFrame(rows, columns=["turn", "size", "program", "seconds"]).query("turn >= 0")
    return found.groupby(["size", "program"]).min()["seconds"].unstack()[list(programs)].rename_axis(None)


def line(seconds: pd.Series) -> tuple[float, float]:
    """(fixed cost, cost of one) in seconds: the line through the first and the last point of seconds by size.

    The fixed cost is at least 10 ms: noise can put the line below zero.
    """
    (small, first), (large, last) = ((size, seconds[size]) for size in (seconds.index[0], seconds.index[-1]))
    each = (last - first) / (large - small)
    return max(first - each * small, LEAST_SECONDS), each
