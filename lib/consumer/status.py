"""Status of a running consumer: state, lag, last batch, what is unusual, what to do; for live table and terminal."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from lib.consumer.checkpoint import first_offsets
from lib.consumer.progress import BatchReport
from lib.consumer.running import Consumer
from lib.errors import CourseError, SettingError
from lib.query import milliseconds

QUIET_SECONDS = 10  # after so long without a batch, the status says why that may be
FIRST_BATCH = "Spark's first micro-batch takes some seconds longer than the later ones."
NO_TWEETS = (
    "No new messages in the topic {topic}. Is a producer running? "
    "In a notebook: start_producer(); in a terminal: python -m lib.producer"
)
NONE_VALID = "No tweet has been counted so far: see how many messages are malformed, and how many tweets are late."

# Alarms. They look at batches, not at minutes: on a slow machine a single batch may take a minute.
UNUSUAL_SHARE = 0.05  # of the messages; the course's own streams have 1 % of each kind
UNUSUAL_MESSAGES = 20  # fewer are no alarm, whatever their share: 1 of 3, or the five of tests/tester.py
SLOW_BATCHES = 5  # in a row: the first ones are always slow
GROWTH_BATCHES = 5  # each had a larger lag than each of the 5 before them: a rising trend, not the usual up and down
LAG_SECONDS = 10  # a lag may grow with the rate of the tweets; while nothing waits longer, the consumer keeps up
UNUSUAL = {
    "late": "are older than the watermark and not counted",
    "malformed": "are not valid tweets: dead letters",
}


@dataclass(frozen=True)
class Status:
    """A consumer's status. `state` is "starting", "running", "waiting", "stopped" or "failed"; `advice` says what to
    do and may be empty; `alarms` say what is unusual in the recent batches while it is running. `lag` is the number of
    messages in the topic that are not counted yet, `lag_seconds` the age of the oldest of them; both are None if no
    broker answers."""

    state: str
    advice: str = ""
    batch: BatchReport | None = None
    lag: int | None = None
    lag_seconds: float | None = None
    alarms: tuple[str, ...] = ()

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
        return Status("waiting", NO_TWEETS.format(topic=consumer.topic), batch, lag, lag_seconds)
    if not batch:
        return Status("starting", FIRST_BATCH, batch, lag, lag_seconds)
    advice = NONE_VALID if totals["received"] and not totals["counted"] else ""
    found = alarms(consumer.progress.recent, trigger_seconds(consumer.options["trigger"]), lag_seconds)
    return Status("running", advice, batch, lag, lag_seconds, tuple(found))


def alarms(recent: Sequence[BatchReport], trigger: float, lag_seconds: float | None) -> list[str]:
    """What is unusual in the recent batches, the last one at the end: a sentence each. `trigger` is in seconds."""
    found = []
    waiting = [batch.waiting for batch in recent[-2 * GROWTH_BATCHES :]]
    before, now = waiting[:-GROWTH_BATCHES], waiting[-GROWTH_BATCHES:]
    rises = len(before) == GROWTH_BATCHES and min(now) > max(before)
    if rises and lag_seconds and lag_seconds > max(LAG_SECONDS, 2 * trigger):
        found.append(f"lag grows: from {before[0]:,} to {now[-1]:,} messages within {len(waiting)} batches")
    took = [batch.seconds for batch in recent[-SLOW_BATCHES:]]
    if trigger and len(took) == SLOW_BATCHES and min(took) > trigger:
        least = f"each of the last {SLOW_BATCHES} batches took {min(took):.1f} s or more"
        found.append(f"batch time above the trigger of {trigger:g} s: {least}")
    received = sum(batch.verdicts["received"] for batch in recent)
    for verdict, meaning in UNUSUAL.items():
        number = sum(batch.verdicts[verdict] for batch in recent)
        if number >= UNUSUAL_MESSAGES and number > UNUSUAL_SHARE * received:
            share = f"{verdict} {100 * number / received:.0f} %"
            found.append(f"{share}: {number:,} of {received:,} recent messages {meaning}")
    return found


def trigger_seconds(trigger: dict) -> float:
    """The interval of a trigger as writeStream.trigger takes it; 0 if it has none, or one that only Spark can read."""
    with suppress(SettingError):
        return milliseconds("trigger", trigger.get("processingTime", ""), least=0) / 1000
    return 0


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
