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
    the oldest of them; both are None where no broker answers. `per_second` is the last batch's input rate."""

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
        if self.lag:
            age = "" if self.lag_seconds is None else f", {self.lag_seconds:,.0f} s"
            parts.append(f"lag {self.lag:,} messages{age}")
        elif self.lag == 0:
            parts.append("no lag")
        return " · ".join(parts)


def look(consumer: Consumer) -> Status:
    """The consumer's status now. Asks the broker, which may take some seconds; raises nothing."""
    progress, numbers = consumer.progress, {}
    if last := progress.last:
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
        numbers |= lag(consumer)
    except CourseError as error:
        return Status("waiting", f"{error.what[0].upper()}{error.what[1:]}. {error.remedy}", **numbers)
    if numbers["lag"] == 0 and (not last or numbers["batch_age"] > QUIET_SECONDS):
        return Status("waiting", NO_TWEETS.format(topic=consumer.topic), **numbers)
    if not last:
        return Status("starting", "Spark's first micro-batch takes some seconds longer than the later ones.", **numbers)
    totals = progress.totals
    if totals["received"] and not totals["counted"]:
        return Status("running", NONE_VALID, **numbers)
    return Status("running", **numbers)


def lag(consumer: Consumer) -> dict[str, float | None]:
    """{lag, lag_seconds}. Raises BrokerError where no broker answers, TopicError where the topic is gone."""
    consumer.cluster.wait_for_topic(consumer.topic)
    counted = consumer.progress.offsets or consumer.first
    if counted is None:
        return {"lag": None, "lag_seconds": None}
    waiting = {p: end - counted.get(p, 0) for p, end in consumer.cluster.offsets(consumer.topic).items()}
    behind = {p: counted.get(p, 0) for p, number in waiting.items() if number > 0}
    oldest = consumer.cluster.oldest(consumer.topic, behind) if behind else None
    age = None if oldest is None else max(0, time.time() - oldest / 1000)
    return {"lag": sum(number for number in waiting.values() if number > 0), "lag_seconds": age if behind else 0}


NO_TWEETS = (
    "No new messages in the topic {topic}. Is a producer running? "
    "In a notebook: start_producer(); in a terminal: python -m lib.producer"
)
NONE_VALID = "No message so far was a valid tweet in time: see the numbers of malformed and late ones."
