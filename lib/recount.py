"""Independent recount in plain Python: the oracle that Spark's answer is compared with.

It shares the written rules with `lib.trends`, and no code and no figure. From the stream it takes only where each
micro-batch ended. It computes the watermarks itself, and `compare` compares them with Spark's.
"""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lib.errors import CountError

if TYPE_CHECKING:  # at run time it imports nothing of what it judges
    from lib.consumer.store import Batch
    from lib.topics import Record
    from lib.tweets import Message

TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{3})Z")
JOINED = {"L", "M", "N"}  # letters, combining marks and digits, by the first letter of their Unicode category
AHEAD_MS = 10_000
VERDICTS = ("counted", "duplicates", "late", "malformed")


@dataclass
class Recount:
    """The recount's answer.

    `verdicts`: {(partition, offset): "counted", "duplicates", "late" or "malformed"};
    `windows`: {(start in ms, hashtag): tweets}; `watermarks`: of each batch, in ms, computed and as Spark had it.
    """

    verdicts: dict[tuple[int, int], str] = field(default_factory=dict)
    windows: Counter = field(default_factory=Counter)
    watermarks: list[tuple[int, int]] = field(default_factory=list)

    def totals(self, of: Iterable[Record] | None = None) -> dict[str, int]:
        """{received, counted, duplicates, late, malformed}, in messages; `of` limits them to some of the records."""
        places = self.verdicts if of is None else [(record.partition, record.offset) for record in of]
        counts = Counter(self.verdicts[place] for place in places)
        return {"received": counts.total()} | {name: counts[name] for name in VERDICTS}


def recount(
    records: Iterable[Record], batches: list[Batch], window_ms: int, slide_ms: int, watermark_ms: int
) -> Recount:
    """Judge every record and count every window; durations in ms. `records` in offset order within a partition."""
    result = Recount()
    seen: set[Tweet] = set()
    watermark = newest = 0
    for batch, taken in zip(batches, by_batch(records, batches), strict=True):
        too_old = watermark  # late is decided by the watermark of the batch before
        watermark = max(watermark, newest - watermark_ms)
        result.watermarks.append((watermark, batch.watermark))
        for record in taken:
            tweet = parse(record)
            if tweet is None:
                verdict = "malformed"
            elif tweet.created_ms <= too_old:
                verdict = "late"
            elif tweet in seen:
                verdict = "duplicates"
            else:
                verdict = "counted"
                seen.add(tweet)
                for hashtag in hashtags(tweet.text):
                    for start in window_starts(tweet.created_ms, window_ms, slide_ms):
                        result.windows[start, hashtag] += 1
            if tweet:
                newest = max(newest, tweet.created_ms)
            result.verdicts[record.partition, record.offset] = verdict
        seen = {tweet for tweet in seen if tweet.created_ms > watermark}  # the same tweet would be late now
    return result


def by_batch(records: Iterable[Record], batches: list[Batch]) -> list[list[Record]]:
    """The records that each batch took; those after the last batch are left out."""
    taken: list[list[Record]] = [[] for _ in batches]
    ends = {partition: [batch.ends.get(partition, 0) for batch in batches] for partition in batches[-1].ends}
    for record in records:
        number = bisect_right(ends[record.partition], record.offset)
        if number < len(batches):
            taken[number].append(record)
    return taken


@dataclass(frozen=True)
class Tweet:
    """What the rules need of a tweet; `created_ms` is its event time in milliseconds since 1970."""

    id: str
    text: str
    created_ms: int


def parse(record: Record) -> Tweet | None:
    """The tweet in a record, or None if it is malformed."""
    try:
        text = record.value.decode("utf-8")
        fields, _ = STRICT_JSON.raw_decode(text.lstrip(" \t\r\n"))
        tweet_id, text, created = fields["id"], fields["text"], fields["created_at"]
        if fields["user"] is None or not isinstance(tweet_id, str) or not isinstance(text, str):
            return None
        (tweet_id + text).encode("utf-8")  # half a surrogate pair is not a text
        *when, millisecond = map(int, TIME.fullmatch(created).groups())
        created_ms = round(datetime(*when, tzinfo=UTC).timestamp() * 1000) + millisecond
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return None if created_ms > record.timestamp + AHEAD_MS else Tweet(tweet_id, text, created_ms)


def refuse(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def number(text: str) -> int:
    """0, as no rule needs a number; ValueError for one that Spark's JSON reader (Jackson) refuses for its length."""
    return 0 if sum(map(str.isdigit, text)) <= 1000 else refuse("a number of over 1000 digits")


STRICT_JSON = json.JSONDecoder(parse_constant=refuse, parse_int=number, parse_float=number)


def hashtags(text: str) -> set[str]:
    """The different hashtags of a text, without #: what follows a #, as far as it is a word, in lower case, σ for ς."""
    found = set()
    for part in text.split("#")[1:]:
        word = "".join(itertools.takewhile(lambda c: c == "_" or unicodedata.category(c)[0] in JOINED, part))
        found.add(word.lower().replace("ς", "σ"))
    return found - {""}


def window_starts(time_ms: int, window_ms: int, slide_ms: int) -> range:
    """The starts of all windows that contain a time; a window includes its start and excludes its end."""
    last = time_ms - time_ms % slide_ms
    return range(last, time_ms - window_ms, -slide_ms)


def sent_by(messages: Iterable[Message], records: Iterable[Record]) -> list[Record]:
    """The records that are these messages, byte for byte, each as often as it was sent.

    Raises CountError if one of the messages is not among the records.
    """
    wanted = Counter(messages)
    sent = []
    for record in records:
        if wanted[record.key, record.value] > 0:
            wanted[record.key, record.value] -= 1
            sent.append(record)
    if missing := wanted.total():
        raise CountError(
            f"{missing} of the messages sent are not in the topic", "see the producer's log in build/logs",
            missing=missing,
        )  # fmt: skip
    return sent


def compare(answer: Recount, totals: dict[str, int], windows: dict[tuple[int, str], int]) -> None:
    """CountError, with the first difference, unless the consumer's watermarks, totals and windows are right."""
    remedy = "one of the two is wrong: please report it"
    for number, (own, of_spark) in enumerate(answer.watermarks):
        if own != of_spark:
            raise CountError(
                f"batch {number} ran with the watermark {of_spark}, and {own} is right (ms)", remedy, batch=number
            )
    expected = answer.totals()
    if totals != expected:
        raise CountError(f"the consumer counted {totals}, the recount {expected}", remedy, totals=totals)
    for key in sorted(answer.windows.keys() | windows.keys()):
        if answer.windows[key] != windows.get(key, 0):
            raise CountError(
                f"window and hashtag {key}: {windows.get(key, 0)} counted, {answer.windows[key]} recounted", remedy,
                window=key,
            )  # fmt: skip
