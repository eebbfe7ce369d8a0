"""Comparison of measurements: in turns, with the median and the range of each way."""

import pandas as pd
import pytest

from lib.course.comparison import compare, fastest, line


def test_each_way_is_measured_in_turns():
    calls, seconds = [], iter([0.8, 0.08, 0.4, 0.02, 0.5, 0.04])

    def measure(messages, size):
        calls.append(size)
        return next(seconds), len(messages) / size

    table = compare(measure, range(8), {"small": {"size": 4}, "large": {"size": 8}}, repeats=3)
    assert calls == [4, 8, 4, 8, 4, 8]
    assert table.to_numpy().tolist() == [[16, 10, 20, 4], [200, 100, 400, 8]]
    assert list(table.index) == ["small", "large"]


def test_the_fastest_run_of_each_program_counts_and_the_first_ones_warm_up(monkeypatch):
    calls, now = [], iter([0, 1, 0, 1, 0, 5, 0, 2, 0, 50, 0, 9, 0, 4, 0, 3, 0, 60, 0, 8])
    monkeypatch.setattr("lib.course.comparison.time.monotonic", lambda: next(now))
    programs = {name: lambda given, name=name: calls.append((name, given)) for name in ("one", "two")}
    table = fastest(programs, {10: "few", 100: "many"}, repeats=2)
    turn = [(name, given) for given in ("few", "many") for name in programs]
    assert calls == turn[2:] + turn + turn
    assert table.to_dict() == {"one": {10: 4, 100: 50}, "two": {10: 2, 100: 8}}


def test_programs_with_different_answers_are_not_compared():
    with pytest.raises(AssertionError, match="the answers differ for 3"):
        fastest({"right": lambda n: n * n, "wrong": lambda n: n + n}, {1: 3}, repeats=1)


def test_a_line_through_the_first_and_the_last_point():
    assert line(pd.Series({100: 0.6, 500: 9.0, 1100: 1.6})) == pytest.approx((0.5, 0.001))
    assert line(pd.Series({100: 0.1, 1000: 1.9})) == pytest.approx((0.01, 0.002)), "a fixed cost is not below zero"
