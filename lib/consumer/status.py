"""Status of a running consumer: its state, lag and last batch, and what to do, for the live table and the terminal."""

import time
from dataclasses import dataclass

from lib.consumer.running import Consumer
from lib.errors import CourseError

QUIET_SECONDS = 10  # after so long without a batch, the status says why that may be


@dataclass(frozen=True)
class Status:
    """A consumer's status. `state` is "starting", "running", "waiting", "stopped" or "failed"; `advice` says what to
    do and may be empty. `lag` is the number of messages in the topic that are not counted yet, `lag_seconds` the age of
    the newest one that is; both are None where no broker answers. `per_second` is the last batch's input rate."""

    state: str
    advice: str = ""
    batch_age: float | None = None
    batch_seconds: float | None = None
    per_second: float = 0
    lag: int | None = None
    lag_seconds: float | None = None
    state_rows: int = 0
    watermark: str = ""

    def __str__(self) -> str:
        parts = [self.state]
        if self.batch_age is not None:
            parts.append(f"last batch {self.batch_age:.0f} s ago, took {self.batch_seconds:.1f} s")
            parts.append(f"{self.per_second:,.0f} tweets/s")
        if self.lag is not None:
            parts.append(f"lag {self.lag:,} messages, {self.lag_seconds:.0f} s" if self.lag else "no lag")
        return " · ".join(parts)


def look(consumer: Consumer) -> Status:
    """The consumer's status now. Asks the broker, which may take some seconds; raises nothing."""
    progress = consumer.progress
    last = progress.last
    numbers = {}
    if last:
        numbers = {
            "batch_age": time.time() - last.ended,
            "batch_seconds": last.seconds,
            "per_second": last.per_second,
            "state_rows": last.state_rows,
            "watermark": last.watermark,
        }
    if error := consumer.error():
        return Status("failed", f"{error.what}. {error.remedy}", **numbers)
    if not consumer.active:
        return Status("stopped", **numbers)
    try:
        ends = consumer.cluster.offsets(consumer.topic)
    except CourseError as error:
        return Status("waiting", f"{error.what[0].upper()}{error.what[1:]}. {error.remedy}", **numbers)
    if not last:
        if ends == consumer.beginning:
            return Status("waiting", NO_TWEETS.format(topic=consumer.topic), lag=0, lag_seconds=0)
        return Status("starting", "Spark's first micro-batch takes some seconds longer than the later ones.")
    lag = sum(max(0, end - progress.offsets.get(partition, 0)) for partition, end in ends.items())
    numbers |= {"lag": lag, "lag_seconds": max(0, time.time() - last.sent_ms / 1000) if lag else 0}
    if numbers["batch_age"] > QUIET_SECONDS and not lag:
        return Status("waiting", NO_TWEETS.format(topic=consumer.topic), **numbers)
    if progress.totals["received"] and not progress.totals["counted"]:
        return Status(
            "running",
            "No message so far was a valid tweet in time: see the numbers of malformed and late ones.",
            **numbers,
        )
    return Status("running", **numbers)


NO_TWEETS = (
    "No new messages in the topic {topic}. Is a producer running? "
    "In a notebook: start_producer(); in a terminal: python -m lib.producer"
)
