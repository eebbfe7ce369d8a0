"""Comparison of measurements: in turns, with the median and the range of each way."""

from lib.course.comparison import compare


def test_each_way_is_measured_in_turns():
    calls, seconds = [], iter([0.8, 0.08, 0.4, 0.02, 0.5, 0.04])

    def measure(messages, size):
        calls.append(size)
        return next(seconds), len(messages) / size

    table = compare(measure, range(8), {"small": {"size": 4}, "large": {"size": 8}}, repeats=3)
    assert calls == [4, 8, 4, 8, 4, 8]
    assert table.to_numpy().tolist() == [[16, 10, 20, 4], [200, 100, 400, 8]]
    assert list(table.index) == ["small", "large"]
