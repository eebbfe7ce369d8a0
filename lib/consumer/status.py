"""Beside the consumer: how it is doing, in numbers and in a sentence, for the live table and the terminal."""

import time
from dataclasses import dataclass

from lib import topics
from lib.consumer.running import Consumer
from lib.errors import CourseError

QUIET_SECONDS = 10  # without a batch for so long, we say why that may be


@dataclass(frozen=True)
class Status:
    """A look at a consumer. `state` is "starting", "running", "waiting", "stopped" or "failed"; `advice` says what
    to do about it and may be empty. `behind` is the lag: messages in the topic that are not counted yet, and
    `behind_seconds` how long ago Kafka got the newest one that is; both None where the broker does not answer."""

    state: str
    advice: str = ""
    batch_age: float | None = None
    batch_seconds: float | None = None
    per_second: float = 0
    behind: int | None = None
    behind_seconds: float | None = None
    state_rows: int = 0
    watermark: str = ""

    def __str__(self) -> str:
        parts = [self.state]
        if self.batch_age is not None:
            parts.append(f"last batch {self.batch_age:.0f} s ago, took {self.batch_seconds:.1f} s")
            parts.append(f"{self.per_second:,.0f} tweets/s")
        if self.behind is not None:
            parts.append(
                f"behind {self.behind:,} messages, {self.behind_seconds:.0f} s" if self.behind else "not behind"
            )
        return " · ".join(parts)


def look(consumer: Consumer) -> Status:
    """How the consumer is doing now. Asks the broker, so it may take up to 3 seconds; raises nothing."""
    last, tally = consumer.tally.last, consumer.tally
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
        ends = topics.offsets(consumer.topic, bootstrap_servers=consumer.bootstrap_servers, seconds=2)
    except CourseError as error:
        return Status("waiting", f"{error.what[0].upper()}{error.what[1:]}. {error.remedy}", **numbers)
    if not last:
        if ends == consumer.beginning:
            return Status("waiting", NO_TWEETS.format(topic=consumer.topic), behind=0, behind_seconds=0)
        return Status("starting", "Spark's first micro-batch takes some seconds longer than the others.")
    behind = sum(max(0, end - tally.offsets.get(partition, 0)) for partition, end in ends.items())
    numbers |= {"behind": behind, "behind_seconds": max(0, time.time() - last.sent_ms / 1000) if behind else 0}
    if numbers["batch_age"] > QUIET_SECONDS and not behind:
        return Status("waiting", NO_TWEETS.format(topic=consumer.topic), **numbers)
    if tally.totals["received"] and not tally.totals["counted"]:
        return Status(
            "running", "None of the messages so far was a tweet in time; see what was malformed or late.", **numbers
        )
    return Status("running", **numbers)


NO_TWEETS = (
    "No new messages in the topic {topic}. Is a producer running? "
    "In a notebook: start_producer(); in a terminal: python -m lib.producer"
)
