"""Numbers of a running query that are worth watching in a burst, for `lib.course.live_chart`."""

from collections.abc import Callable

from lib.consumer.progress import BatchReport
from lib.consumer.running import Consumer
from lib.course import heap


def numbers(query: Consumer) -> dict[str, Callable[[], float]]:
    """{name: function that reads the number now}. The query must have reported a batch.

    `arrived`: messages in the topic; `lag`: those that wait; `inputRowsPerSecond`, `batch, tweets` and `batch, seconds`
    are of the largest batch since they were read before, or of the newest one; `heap, MB` is that of `heap.used_mb`.
    """
    largest = query.progress.last
    newest = largest.number

    def arrived() -> int:
        return sum(query.cluster.offsets(query.topic).values())

    def batch() -> BatchReport:
        nonlocal largest, newest
        if new := [each for each in query.progress.recent if each.number > newest]:
            largest, newest = max(new, key=lambda each: each.verdicts["received"]), new[-1].number
        return largest

    return {
        "arrived": arrived,
        "lag": lambda: arrived() - sum(query.progress.offsets.values()),
        "inputRowsPerSecond": lambda: batch().per_second,
        "batch, tweets": lambda: batch().verdicts["received"],
        "batch, seconds": lambda: batch().seconds,
        "heap, MB": heap.used_mb,
    }
