"""Generator of synthetic tweets: Kafka messages from a seed, a start and a rate.

The popularity of hashtags is skewed (Zipf's law: the k-th has 1/k of the first's share). Bursts raise one hashtag for
half a minute, so that trends change on screen. A few users tweet a lot. Texts have several languages, accents, emoji.
Each tweet is up to 3 s old when it is sent, so event times arrive out of order. On request a known number of messages
is late, duplicated or malformed.
"""

import itertools
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lib.tweets.options import BLOCK, check
from lib.tweets.vocabulary import EMOJI, HASHTAGS, PHRASES, USERS

FIXED_START = datetime(2026, 1, 1, 12, tzinfo=UTC)
JITTER_MS = 3000  # a tweet is up to this old when it is sent
LATE_MS = 10 * 60 * 1000  # a late tweet is older by this
BURST_SECONDS, BURST_EVERY, BURST_WEIGHT = 30.0, 6.0, 1.2  # a burst's peak weighs as much as the top hashtag
RESEND_WITHIN = 100  # a duplicate repeats one of the last 100 tweets, as a client's retry does

PLAIN, LATE, DUPLICATE, MALFORMED = range(4)  # kinds of messages
TAG_SHARES = 1 / np.arange(1, len(HASHTAGS) + 1)
USER_SHARES = 1 / np.arange(1, len(USERS) + 1) ** 0.8


class Message(NamedTuple):
    """A Kafka message: the user as key (so one user's tweets stay in order) and a JSON object as value, in UTF-8."""

    key: bytes
    value: bytes


def stream(
    count: int | None = None,
    seed: int = 0,
    start: datetime = FIXED_START,
    rate: float = 50,
    late: float = 0,
    duplicates: float = 0,
    malformed: float = 0,
) -> Iterator[Message]:
    """`count` messages (None: endless); message i is due at start + i/rate seconds, at rate 0 after i milliseconds.

    Late messages have an event time 10 minutes earlier, duplicates repeat an earlier tweet byte for byte, malformed
    ones are not valid tweets. Each option is a fraction F of the count, met exactly: round(F * count). Which messages
    depends on the count; without one, F holds for every 1000. Raises SettingError for options out of range.
    """
    check(count, seed, start, rate, late, duplicates, malformed)
    kinds = plan(BLOCK if count is None else count, seed, late, duplicates, malformed)
    return itertools.islice(messages(seed, round(start.timestamp() * 1000), rate, kinds), count)


def messages(seed: int, start_ms: int, rate: float, kinds: np.ndarray) -> Iterator[Message]:
    """Endless messages; message i is of the kind kinds[i % n]. `kinds` has the shape (n,)."""
    recent: list[Message] = []
    # Always a whole block, so that the tweets do not depend on the count.
    for first in itertools.count(0, BLOCK):
        block_kinds = kinds[np.arange(first, first + BLOCK) % len(kinds)]
        resend = np.random.default_rng([seed, 4, first]).integers(0, RESEND_WITHIN, BLOCK)
        for i, message in enumerate(tweets(first, BLOCK, seed, start_ms, rate, block_kinds)):
            if block_kinds[i] == DUPLICATE:
                message = recent[resend[i] % len(recent)]
            elif block_kinds[i] == PLAIN:
                recent.append(message)
                del recent[:-RESEND_WITHIN]
            yield message


def plan(count: int, seed: int, late: float, duplicates: float, malformed: float) -> np.ndarray:
    """The kind of each message, shape (count,): exact numbers at random places, a tweet before its duplicates."""
    kinds = np.full(count, PLAIN, dtype=np.uint8)
    ends = np.cumsum([round(fraction * count) for fraction in (late, duplicates, malformed)])
    for kind, begin, end in zip((LATE, DUPLICATE, MALFORMED), (0, *ends), ends, strict=False):
        kinds[begin:end] = kind
    np.random.default_rng([seed, 1]).shuffle(kinds)
    if (kinds == DUPLICATE).any():
        plain, repeat = np.argmax(kinds == PLAIN), np.argmax(kinds == DUPLICATE)
        if repeat < plain:
            kinds[[plain, repeat]] = DUPLICATE, PLAIN
    return kinds


def tweets(first: int, size: int, seed: int, start_ms: int, rate: float, kinds: np.ndarray) -> Iterator[Message]:
    """Messages `first` to first + size - 1, each of its kind; the caller replaces the duplicates."""
    rng = np.random.default_rng([seed, 2, first])
    numbers = np.arange(first, first + size)
    due_ms = numbers if rate == 0 else np.floor(numbers * 1000 / rate).astype(np.int64)
    created_ms = start_ms + due_ms - rng.integers(0, JITTER_MS, size) - LATE_MS * (kinds == LATE)
    created = np.datetime_as_string(created_ms.astype("datetime64[ms]"))

    users = pick(rng.random(size), USER_SHARES)
    tags = pick(rng.random(size), popularity(due_ms / 1000, seed))
    second = pick(rng.random(size), TAG_SHARES)
    how_many = rng.choice(4, size, p=[0.1, 0.6, 0.25, 0.05])
    phrases, emoji, retweets = rng.integers(0, 1 << 30, size), rng.random(size), rng.geometric(0.3, size) - 1

    for i in range(size):
        tag, language = HASHTAGS[tags[i]]
        options = PHRASES[language]
        text = options[phrases[i] % len(options)]
        if how_many[i]:
            text += f" #{tag}"
        if how_many[i] > 1:
            text += f" #{HASHTAGS[second[i]][0]}"
        if how_many[i] > 2:
            text += f" #{tag.upper()}"  # the same hashtag again: a tweet counts once for it
        if emoji[i] < 0.4:
            text += " " + EMOJI[int(emoji[i] * 1000) % len(EMOJI)]
        tweet = {  # fields and order as in lib.trends.PLAIN, else Spark parses the tweet several times more slowly
            "id": f"{seed}-{start_ms}-{first + i}",
            "user": USERS[users[i]],
            "text": text,
            "lang": language,
            "created_at": f"{created[i]}Z",
            "retweets": int(retweets[i]),
        }
        value = malform(tweet, phrases[i]) if kinds[i] == MALFORMED else to_json(tweet)
        yield Message(tweet["user"].encode(), value)


def pick(draws: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Turn uniform draws, shape (n,), into indexes by shares, shape (k,) or one row for each draw, (n, k)."""
    edges = np.cumsum(shares, axis=-1)
    return (draws[:, None] * edges[..., -1:] >= edges).sum(axis=-1)


def popularity(seconds: np.ndarray, seed: int) -> np.ndarray:
    """Each hashtag's weight at each second since the start, shape (n, hashtags): Zipf's law and the bursts."""
    weights = np.repeat(TAG_SHARES[None, :], len(seconds), axis=0)
    lasting = range(math.ceil(BURST_SECONDS / BURST_EVERY) + 1)
    for slot in sorted({int(slot) - back for slot in np.unique(seconds // BURST_EVERY) for back in lasting}):
        age = (seconds - slot * BURST_EVERY) / BURST_SECONDS
        height = np.where((age >= 0) & (age <= 1), 1 - np.abs(2 * age - 1), 0)  # rises and falls in a straight line
        weights[:, burst(seed, slot)] += BURST_WEIGHT * height
    return weights


@lru_cache(maxsize=1024)
def burst(seed: int, slot: int) -> int:
    """The hashtag whose burst starts at slot * BURST_EVERY seconds; never one of the five most popular."""
    return int(np.random.default_rng([seed, 3, slot + 1000]).integers(5, len(HASHTAGS)))


def malform(tweet: dict, draw: int) -> bytes:
    """A message that is not a valid tweet, for one of the usual reasons; always one line."""
    ways = (
        to_json(tweet)[:-20],  # cut off
        to_json({k: v for k, v in tweet.items() if k != "created_at"}),  # a field is missing
        to_json(tweet | {"created_at": "2099-01-01T00:00:00.000Z"}),  # from the future
        to_json(tweet | {"created_at": "yesterday"}),  # not a time
        to_json([tweet["id"], tweet["text"]]),  # not an object
        to_json(tweet).replace(b'"text":"', b'"text":"\xff\xfe'),  # not UTF-8
        to_json(tweet | {"text": None}),  # no text
    )
    return ways[draw % len(ways)]


def to_json(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
