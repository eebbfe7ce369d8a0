"""One plain Python process that counts a backlog: confluent-kafka, orjson, dicts.

It shares the recount's rule of windows, and no other code. All tweets stay in memory, and none is late: this is for a
backlog without late tweets.
"""

import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from lib.query import AHEAD_SECONDS, TrendQuery
from lib.recount import window_starts

TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
MARKED = map(chr, chain(range(0x300, 0x20000), range(0xE0100, 0xE01F0)))  # where Unicode has combining marks
MARKS = "".join(c for c in MARKED if unicodedata.category(c)[0] == "M")
HASHTAG = re.compile(rf"#([\w{MARKS}]+)")  # \w has the letters and digits of all scripts, but no combining marks

Tweet = tuple[str, str, int]  # id, text, event time in ms
Answer = tuple[float, dict[tuple[int, str], int]]  # seconds, {(start in ms, hashtag): tweets}


class Task(NamedTuple):
    """What to count: a topic on a broker. `full`: duplicates in it count once. `jar`: Flink's connector for Kafka."""

    address: str
    topic: str
    query: TrendQuery
    full: bool
    jar: Path | None

    def sizes(self, consumer: Consumer) -> dict[int, int]:
        """The number of messages in each partition."""
        numbers = consumer.list_topics(self.topic, timeout=10).topics[self.topic].partitions
        places = {number: TopicPartition(self.topic, number) for number in numbers}
        limits = {number: consumer.get_watermark_offsets(place, timeout=10) for number, place in places.items()}
        return {number: last - first for number, (first, last) in limits.items()}


def read(value: bytes, timestamp: int, loads: Callable) -> Tweet | None:
    """The tweet in a message with Kafka's timestamp (ms), or None if it is malformed; `loads` parses JSON."""
    try:
        fields = loads(value)
        tweet_id, text, created = fields["id"], fields["text"], fields["created_at"]
        if fields["user"] is None or not type(tweet_id) is type(text) is str or not TIME.fullmatch(created):
            return None
        created_ms = time_ms(created)
    except (KeyError, TypeError, ValueError):
        return None
    return (tweet_id, text, created_ms) if created_ms <= timestamp + AHEAD_SECONDS * 1000 else None


def time_ms(text: str) -> int:
    """The milliseconds since 1970 of a time like 2026-01-01T12:00:00.000Z."""
    return second_ms(text[:19]) + int(text[20:23])


@lru_cache(maxsize=4096)
def second_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def hashtags(text: str) -> set[str]:
    """The different hashtags of a text, without #, in lower case, σ for ς."""
    return {word.lower().replace("ς", "σ") for word in HASHTAG.findall(text)}


class Counting:
    """The counts of messages. `full`: duplicates count once."""

    def __init__(self, query: TrendQuery, full: bool, loads: Callable) -> None:
        self.query, self.full, self.loads = query, full, loads
        self.panes: Counter[tuple[int, str]] = Counter()
        self.seen: set[Tweet] = set()

    def add(self, messages: Iterable[tuple[bytes, int]]) -> None:
        """Count messages: values, and Kafka's timestamps (ms)."""
        pane_ms, panes, seen = self.query.pane_ms, self.panes, self.seen
        for value, timestamp in messages:
            tweet = read(value, timestamp, self.loads)
            if tweet is None or tweet in seen:
                continue
            if self.full:
                seen.add(tweet)
            start = tweet[2] - tweet[2] % pane_ms
            for hashtag in hashtags(tweet[1]):
                panes[start, hashtag] += 1

    def windows(self) -> dict[tuple[int, str], int]:
        """{(start in ms, hashtag): tweets}, as sums of panes."""
        found: Counter[tuple[int, str]] = Counter()
        for (pane, hashtag), tweets in self.panes.items():
            for start in window_starts(pane, self.query.window_ms, self.query.slide_ms):
                found[start, hashtag] += tweets
        return found


def python(task: Task) -> Answer:
    """One process with confluent-kafka, orjson and dicts. It keeps everything in memory."""
    from orjson import loads

    counting = Counting(task.query, task.full, loads)
    consumer = Consumer({"bootstrap.servers": task.address, "group.id": "peer", "enable.auto.commit": False})
    sizes, began = task.sizes(consumer), time.monotonic()
    consumer.assign([TopicPartition(task.topic, number, OFFSET_BEGINNING) for number in sizes])
    left = sum(sizes.values())
    while left:
        messages = consumer.consume(min(left, 10_000), timeout=1)  # it waits for as many
        counting.add((message.value(), message.timestamp()[1]) for message in messages)
        left -= len(messages)
    windows, seconds = counting.windows(), time.monotonic() - began
    consumer.close()
    return seconds, windows
