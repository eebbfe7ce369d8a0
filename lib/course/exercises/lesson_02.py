"""Exercises of lesson 02: a producer with a quiet part and a burst, and another key."""

import json
from collections import Counter
from itertools import pairwise

from kafka.partitioner import murmur2

from lib.course.exercises import exercise
from lib.topics import Cluster, Record
from lib.tweets import Message

TOLERANCE = 0.25  # of a part's duration
PAUSE_SECONDS = 0.5
HELD_BACK = "a client that is neither flushed nor closed may still hold"


@exercise
def by_language(topic: str, messages: list[Message], cluster: Cluster) -> str | None:
    """Whether the topic has each of the messages once, with the language of the tweet as its key."""
    records = list(cluster.read(topic))
    if hint := differs(records, topic, messages):
        return hint
    for record in records:
        language = json.loads(record.value)["lang"]
        if record.key != language.encode():
            return f"a tweet in {language!r} has the key {record.key!r}"
    return misplaced(records, topic, cluster)


@exercise
def burst(
    receipts: list, topic: str, messages: list[Message], plan: list[tuple[int, float]], cluster: Cluster
) -> str | None:
    """Whether the topic has the messages, sent at the rates of the plan, a list of (messages, messages per second), and
    the answer has the acknowledgement (partition, offset) of each of them."""
    for receipt in receipts:
        if hasattr(receipt, "get"):
            return "your list has futures instead of acknowledgements: call get() on what send() returned"
        if not hasattr(receipt, "offset"):
            return f"your list contains {receipt!r}, and an acknowledgement has a partition and an offset"
    records = sorted(cluster.read(topic), key=lambda record: record.timestamp)
    if hint := differs(records, topic, messages):
        return hint
    users = {message.value: message.key for message in messages}
    for record in records:
        if record.key != users[record.value]:
            return f"a tweet of {users[record.value].decode()} has the key {record.key!r}"
    if {(r.partition, r.offset) for r in receipts} != {(r.partition, r.offset) for r in records}:
        return f"your {len(receipts)} acknowledgements are not those of the {len(records)} messages in the topic"
    times = [record.timestamp / 1000 for record in records]
    return misplaced(records, topic, cluster) or grouped(times, plan) or off_pace(times, plan)


def differs(records: list[Record], topic: str, messages: list[Message]) -> str | None:
    """A hint, unless the records are exactly the messages, in any order."""
    if not records:
        return f"the topic {topic} is empty; {HELD_BACK} your messages"
    expected, found = Counter(m.value for m in messages), Counter(r.value for r in records)
    if found == expected:
        return None
    if any(record.key in expected for record in records):
        return "the topic has tweets as keys: in which order does send() take the value and the key?"
    if unknown := [value for value in found if value not in expected]:
        return f"the topic has values that are not among the tweets, such as {shortened(unknown[0])}: change no value"
    missing, extra = (expected - found).total(), (found - expected).total()
    if not extra:
        return f"{missing} of the {len(messages)} messages are missing; {HELD_BACK} them"
    if not missing:
        return f"{extra} messages are too many, copies of others; empty the topic before you send again"
    return f"{missing} of the {len(messages)} messages are missing, and {extra} are copies of others"


def shortened(value: object, most: int = 50) -> str:
    """A value as Python writes it, but not more than so many characters of it."""
    text = repr(value)
    return text if len(text) <= most else text[:most] + "…"


def misplaced(records: list[Record], topic: str, cluster: Cluster) -> str | None:
    """A hint, unless each record is in the partition that its key leads to."""
    partitions = len(cluster.offsets(topic))
    for record in records:
        if record.partition != (murmur2(record.key) & 0x7FFFFFFF) % partitions:
            return (
                f"a message with the key {record.key!r} is in partition {record.partition}, and this key leads to "
                "another one: did your program choose the partition?"
            )
    return None


def grouped(times: list[float], plan: list[tuple[int, float]]) -> str | None:
    """A hint, if the messages came in time, but many at the same moment: the client has sent them in batches."""
    took, due = times[-1] - times[0], sum(count / per_second for count, per_second in plan)
    if len(set(times)) < len(times) / 4 and took > due / 2:
        return (
            f"the {len(times)} tweets reached the broker at only {len(set(times))} different moments: does your client "
            "wait, and then send many of them together?"
        )
    return None


def off_pace(times: list[float], plan: list[tuple[int, float]]) -> str | None:
    """A hint, unless the times, in seconds and in order, keep the plan's rates, with some tolerance."""
    first = 0
    for count, per_second in plan:
        last = min(first + count, len(times) - 1)  # the first message after this part, which ends it
        took, due = times[last] - times[first], (last - first) / per_second
        part = f"tweets {first + 1} to {first + count} took {took:.1f} s, and by the plan they take {due:.1f} s"
        if took < (1 - TOLERANCE) * due:
            return f"{part}: too fast. When is each of them due, in seconds after the first tweet of all?"
        if took > (1 + TOLERANCE) * due:
            return f"{part}: too slow. The source takes time too, so how long should you sleep?"
        first += count
    if (longest := max(b - a for a, b in pairwise(times))) > PAUSE_SECONDS:
        return f"there is a pause of {longest:.1f} s: send the tweets one at a time, at equal distances"
    return None
