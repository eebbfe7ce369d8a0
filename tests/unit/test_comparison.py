"""Comparison of measurements: in turns, with the median and the range of each way."""

from lib.course.comparison import compare


def test_each_way_is_measured_in_turns():
    calls, rates = [], iter([10, 100, 30, 300, 20, 200])

    def measure(messages, size):
        calls.append(size)
        return next(rates), len(messages) / size

    table = compare(measure, range(8), {"small": {"size": 4}, "large": {"size": 8}}, repeats=3)
    assert calls == [4, 8, 4, 8, 4, 8]
    assert table.to_numpy().tolist() == [[20, 10, 30, 2], [200, 100, 300, 1]]
    assert list(table.index) == ["small", "large"]
