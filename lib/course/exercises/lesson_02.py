"""Exercises of lesson 02: another key, and a producer that keeps a rate and waits for the acknowledgements."""

import json
from collections import Counter
from itertools import pairwise

from lib.course.exercises import exercise
from lib.topics import Cluster
from lib.tweets import Message


@exercise
def by_language(topic: str, messages: list[Message], cluster: Cluster) -> str | None:
    """Whether the topic has each of the messages once, with the language of the tweet as its key."""
    records = list(cluster.read(topic))
    if not records:
        return f"the topic {topic} is empty"
    expected, found = Counter(m.value for m in messages), Counter(r.value for r in records)
    if found != expected:
        missing, extra = (expected - found).total(), (found - expected).total()
        return (
            f"{missing} of the {len(messages)} messages are missing, and {extra} are too many; empty the topic before "
            "you send again"
        )
    for record in records:
        language = json.loads(record.value)["lang"]
        if record.key != language.encode():
            return f"a tweet in {language!r} has the key {record.key!r}"
    return None


@exercise
def paced(receipts: list, topic: str, count: int, per_second: float, cluster: Cluster) -> str | None:
    """Whether the topic has `count` messages sent at a steady rate, and the answer has the acknowledgement (partition,
    offset) of each of them."""
    records = sorted(cluster.read(topic), key=lambda record: record.timestamp)
    if len(records) != count:
        return f"the topic {topic} has {len(records)} messages, and should have {count}"
    if any(record.key is None for record in records):
        return "the messages have no key"
    if {(r.partition, r.offset) for r in receipts} != {(r.partition, r.offset) for r in records}:
        return (
            f"you have {len(receipts)} acknowledgements, and not those of the {count} messages: each send() gives a "
            "receipt, whose get() waits for the answer"
        )
    seconds = (records[-1].timestamp - records[0].timestamp) / 1000
    due = (count - 1) / per_second
    if seconds < 0.8 * due:
        return f"they arrived within {seconds:.1f} s, and at {per_second:g} a second it takes {due:.1f} s: too fast"
    if seconds > 1.1 * due:
        return (
            f"they arrived within {seconds:.1f} s instead of {due:.1f} s: sleep until the moment at which the next one "
            "is due, and not for a fixed time after each"
        )
    pauses = [(b.timestamp - a.timestamp) / 1000 for a, b in pairwise(records)]
    if max(pauses) > max(0.5, 10 / per_second):
        return f"there is a pause of {max(pauses):.1f} s: send one by one, at equal distances"
    return None
