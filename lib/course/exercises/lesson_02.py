"""Exercises of lesson 02: a producer with a quiet part and a burst, and another key."""

import json
from collections import Counter
from itertools import pairwise

from lib.course.exercises import exercise
from lib.topics import Cluster, Record
from lib.tweets import Message

TOLERANCE = 0.25  # of a part's duration
PAUSE_SECONDS = 0.5


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
    return None


@exercise
def burst(
    receipts: list, topic: str, messages: list[Message], plan: list[tuple[int, float]], cluster: Cluster
) -> str | None:
    """Whether the topic has the messages, sent at the rates of the plan, a list of (messages, messages per second), and
    the answer has the acknowledgement (partition, offset) of each of them."""
    if any(not hasattr(receipt, "offset") for receipt in receipts):
        return "your list has futures instead of acknowledgements: call get() on what send() returned"
    records = sorted(cluster.read(topic), key=lambda record: record.timestamp)
    if hint := differs(records, topic, messages):
        return hint
    users = {message.value: message.key for message in messages}
    for record in records:
        if record.key != users[record.value]:
            return f"a tweet of {users[record.value].decode()} has the key {record.key!r}"
    if {(r.partition, r.offset) for r in receipts} != {(r.partition, r.offset) for r in records}:
        return f"your {len(receipts)} acknowledgements are not those of the {len(records)} messages in the topic"
    return off_pace([record.timestamp / 1000 for record in records], plan)


def differs(records: list[Record], topic: str, messages: list[Message]) -> str | None:
    """A hint, unless the records are exactly the messages, in any order."""
    if not records:
        return f"the topic {topic} is empty; a client that is neither flushed nor closed may still hold your messages"
    expected, found = Counter(m.value for m in messages), Counter(r.value for r in records)
    if found == expected:
        return None
    missing, extra = (expected - found).total(), (found - expected).total()
    return (
        f"{missing} of the {len(messages)} messages are missing, and {extra} are too many; empty the topic before "
        "you send again"
    )


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
