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
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from lib.tweets.encoding import AN_EMOJI, HASHTAG, KEY, NOTHING, UPPER, encode, to_json
from lib.tweets.options import BLOCK, check
from lib.tweets.vocabulary import EMOJI, HASHTAGS, USERS

FIXED_START = datetime(2026, 1, 1, 12, tzinfo=UTC)
JITTER_MS = 3000  # a tweet is up to this old when it is sent
LATE_MS = 10 * 60 * 1000  # a late tweet is older by this
BURST_SECONDS, BURST_EVERY, BURST_WEIGHT = 30.0, 6.0, 1.2  # a burst's peak weighs as much as the top hashtag
RESEND_WITHIN = 100  # a duplicate repeats one of the last 100 tweets, as a client's retry does

PLAIN, LATE, DUPLICATE, MALFORMED = range(4)  # kinds of messages
TAG_SHARES = 1 / np.arange(1, len(HASHTAGS) + 1)
TAG_EDGES = np.cumsum(TAG_SHARES)
USER_EDGES = np.cumsum(1 / np.arange(1, len(USERS) + 1) ** 0.8)


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
    endless = blocks(seed, round(start.timestamp() * 1000), rate, kinds)
    return itertools.islice(itertools.chain.from_iterable(endless), count)


def blocks(seed: int, start_ms: int, rate: float, kinds: np.ndarray) -> Iterator[list[Message]]:
    """Endless blocks of BLOCK messages; message i is of the kind kinds[i % n]. `kinds` has the shape (n,)."""
    recent: list[Message] = []
    has_duplicates = (kinds == DUPLICATE).any()
    # Always a whole block, so that the tweets do not depend on the count.
    for first in itertools.count(0, BLOCK):
        block_kinds = kinds[np.arange(first, first + BLOCK) % len(kinds)]
        block = tweets(first, seed, start_ms, rate, block_kinds)
        if has_duplicates:
            resend = np.random.default_rng([seed, 4, first]).integers(0, RESEND_WITHIN, BLOCK)
            recent = repeat_tweets(block, block_kinds, resend, recent)
        yield block


def repeat_tweets(block: list[Message], kinds: np.ndarray, resend: np.ndarray, recent: list[Message]) -> list[Message]:
    """Replace each duplicate of a block by one of the last plain tweets, and return those after the block.

    `recent` are those before the block; duplicate i repeats the one that the draw resend[i] selects.
    """
    is_plain = kinds == PLAIN
    plain = recent + list(itertools.compress(block, is_plain.tolist()))
    before = len(recent) + np.cumsum(is_plain)
    for i in np.flatnonzero(kinds == DUPLICATE):
        latest = plain[max(0, before[i] - RESEND_WITHIN) : before[i]]
        block[i] = latest[resend[i] % len(latest)]
    return plain[-RESEND_WITHIN:]


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


def tweets(first: int, seed: int, start_ms: int, rate: float, kinds: np.ndarray) -> list[Message]:
    """Messages `first` to first + BLOCK - 1, each of its kind; the caller replaces the duplicates."""
    rng = np.random.default_rng([seed, 2, first])
    numbers = np.arange(first, first + BLOCK)
    due_ms = numbers if rate == 0 else np.floor(numbers * 1000 / rate).astype(np.int64)
    created_ms = start_ms + due_ms - rng.integers(0, JITTER_MS, BLOCK) - LATE_MS * (kinds == LATE)
    users = pick(rng.random(BLOCK), USER_EDGES)
    tags = pick(rng.random(BLOCK), popularity(due_ms / 1000, seed))
    second = pick(rng.random(BLOCK), TAG_EDGES)
    how_many = rng.choice(4, BLOCK, p=[0.1, 0.6, 0.25, 0.05])
    phrases, emoji, retweets = rng.integers(0, 1 << 30, BLOCK), rng.random(BLOCK), rng.geometric(0.3, BLOCK) - 1

    more = (
        HASHTAG[np.where(how_many > 0, tags, NOTHING)],
        HASHTAG[np.where(how_many > 1, second, NOTHING)],
        UPPER[np.where(how_many > 2, tags, NOTHING)],  # the same hashtag again: a tweet counts once for it
        AN_EMOJI[np.where(emoji < 0.4, (emoji * 1000).astype(np.int64) % len(EMOJI), NOTHING)],
    )
    values = encode(f"{seed}-{start_ms}-", numbers.tolist(), users, phrases, tags, more, created_ms, retweets)
    for i in np.flatnonzero(kinds == MALFORMED):
        values[i] = malform(json.loads(values[i]), phrases[i])
    # Not Message itself, which takes three times as long.
    return list(map(partial(tuple.__new__, Message), zip(KEY[users].tolist(), values, strict=True)))


def pick(draws: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Turn uniform draws, shape (n,), into indexes by cumulated shares, shape (k,) or one column for each draw."""
    if edges.ndim == 1:
        return np.searchsorted(edges, draws * edges[-1], side="right")
    return (draws * edges[-1] >= edges).sum(axis=0)


def popularity(seconds: np.ndarray, seed: int) -> np.ndarray:
    """The hashtags' cumulated weights at each second since the start, shape (hashtags, n): Zipf's law and bursts."""
    weights = np.repeat(TAG_SHARES[:, None], len(seconds), axis=1)
    lasting = range(math.ceil(BURST_SECONDS / BURST_EVERY) + 1)
    for slot in sorted({int(slot) - back for slot in np.unique(seconds // BURST_EVERY) for back in lasting}):
        age = (seconds - slot * BURST_EVERY) / BURST_SECONDS
        height = np.maximum(1 - np.abs(2 * age - 1), 0)  # rises and falls in a straight line
        weights[burst(seed, slot)] += BURST_WEIGHT * height
    for row, next_row in itertools.pairwise(weights):  # in place, as another array of this size takes more time
        next_row += row
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
