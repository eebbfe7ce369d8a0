"""Numbers of a running query that are worth watching in a burst, for `lib.course.live_chart`."""

from collections.abc import Callable

from lib.consumer.running import Consumer
from lib.course import heap


def numbers(query: Consumer) -> dict[str, Callable[[], float]]:
    """{name: function that reads the number now}. The query must have reported a batch.

    `arrived`: messages in the topic; `lag`: those that wait; `inputRowsPerSecond`, `batch, tweets` and `batch, seconds`
    are of the newest batch; `heap, MB` is that of `heap.used_mb`.
    """

    def arrived() -> int:
        return sum(query.cluster.offsets(query.topic).values())

    return {
        "arrived": arrived,
        "lag": lambda: arrived() - sum(query.progress.offsets.values()),
        "inputRowsPerSecond": lambda: query.progress.last.per_second,
        "batch, tweets": lambda: query.progress.last.verdicts["received"],
        "batch, seconds": lambda: query.progress.last.seconds,
        "heap, MB": heap.used_mb,
    }
