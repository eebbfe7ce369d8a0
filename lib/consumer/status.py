"""Status of a running consumer: its state, lag and last batch, and what to do, for the live table and the terminal."""

import time
from dataclasses import dataclass

from lib.consumer.checkpoint import first_offsets
from lib.consumer.progress import BatchReport
from lib.consumer.running import Consumer
from lib.errors import CourseError

QUIET_SECONDS = 10  # after so long without a batch, the status says why that may be
FIRST_BATCH = "Spark's first micro-batch takes some seconds longer than the later ones."
NO_TWEETS = (
    "No new messages in the topic {topic}. Is a producer running? "
    "In a notebook: start_producer(); in a terminal: python -m lib.producer"
)
NONE_VALID = "No tweet has been counted so far: see how many messages are malformed, and how many tweets are late."


@dataclass(frozen=True)
class Status:
    """A consumer's status. `state` is "starting", "running", "waiting", "stopped" or "failed"; `advice` says what to
    do and may be empty. `lag` is the number of messages in the topic that are not counted yet, `lag_seconds` the age of
    the oldest of them; both are None if no broker answers."""

    state: str
    advice: str = ""
    batch: BatchReport | None = None
    lag: int | None = None
    lag_seconds: float | None = None

    def __str__(self) -> str:
        parts = [self.state]
        if batch := self.batch:
            parts.append(f"last batch {batch.age:.0f} s ago, took {batch.seconds:.1f} s")
            parts.append(f"{batch.per_second:,.0f} tweets/s")
        if self.lag:
            age = "" if self.lag_seconds is None else f", {self.lag_seconds:,.0f} s"
            parts.append(f"lag {self.lag:,} messages{age}")
        elif self.lag == 0:
            parts.append("no lag")
        return " · ".join(parts)


def status_of(consumer: Consumer) -> Status:
    """The consumer's status now. Asks broker and store, which may take some seconds; raises nothing."""
    batch = consumer.progress.last
    if error := consumer.error():
        return Status("failed", f"{error.what}. {error.remedy}", batch)
    if not consumer.active:
        return Status("stopped", "", batch)
    try:
        lag, lag_seconds = lag_of(consumer)
        totals = consumer.store.totals()
    except CourseError as error:
        return Status("waiting", f"{error.what[0].upper()}{error.what[1:]}. {error.remedy}", batch)
    if lag == 0 and (not batch or batch.age > QUIET_SECONDS):
        state, advice = "waiting", NO_TWEETS.format(topic=consumer.topic)
    elif not batch:
        state, advice = "starting", FIRST_BATCH
    else:
        state, advice = "running", NONE_VALID if totals["received"] and not totals["counted"] else ""
    return Status(state, advice, batch, lag, lag_seconds)


def lag_of(consumer: Consumer) -> tuple[int | None, float | None]:
    """The lag in messages and in seconds, None if it is not known.

    Raises BrokerError if no broker answers, TopicError if the topic is gone.
    """
    consumer.cluster.wait_for_topic(consumer.topic)
    counted = consumer.progress.offsets or first_offsets(consumer.checkpoint)
    if counted is None:
        return None, None
    ends = consumer.cluster.offsets(consumer.topic)
    waiting = {p: counted.get(p, 0) for p, end in ends.items() if end > counted.get(p, 0)}
    if not waiting:
        return 0, 0
    oldest = consumer.cluster.oldest(consumer.topic, waiting)
    seconds = None if oldest is None else max(0, time.time() - oldest / 1000)
    return sum(ends[p] - offset for p, offset in waiting.items()), seconds
