"""The tweet's way begins: invented tweets, the same for the same seed, start and rate, without a clock or a broker.

`python -m lib.tweets --count 1000 --seed 7` prints them, one a line.

What makes them look real: hashtags of very unequal popularity (Zipf's law: the k-th has 1/k of the first's share),
bursts that lift one hashtag for half a minute so that trends change on the screen, users of whom a few tweet a lot,
several languages, accents and emoji; and every tweet is a little old when it is sent, by up to 3 s, so that event
times arrive out of order. On request the stream misbehaves by known amounts.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lib.errors import SettingError
from lib.tweets.vocabulary import EMOJI, HASHTAGS, PHRASES, USERS

FIXED_START = datetime(2026, 1, 1, 12, tzinfo=UTC)
BLOCK = 1000  # messages made at once: enough for numpy to be quick, few enough to start at once
JITTER_MS = 3000  # a tweet is up to this old when it is sent
LATE_MS = 10 * 60 * 1000  # a late one is older by this
MOST = 100_000_000  # messages: what is wrong with each is planned beforehand, in a byte of memory
BURST_SECONDS, BURST_EVERY, BURST_WEIGHT = 30.0, 6.0, 1.2  # a burst's peak weighs as much as the top hashtag
RESEND_WITHIN = 100  # a duplicate repeats one of the last so many tweets, as a client's resend does

PLAIN, LATE, DUPLICATE, MALFORMED = range(4)


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
    """`count` messages (None: without end), message i made at start + i/rate seconds.

    `rate` 0 means event times 1 ms apart. `late`, `duplicates` and `malformed` are fractions F of the count, met
    exactly: round(F * count) messages are dated 10 minutes back, repeat an earlier tweet byte for byte, or are no
    tweets; which ones depends on the count. Without a count they hold for every 1000 messages. Raises SettingError
    for options out of range.
    """
    check(count, seed, start, rate, late, duplicates, malformed)
    if count == 0:
        return
    kinds = plan(BLOCK if count is None else count, seed, late, duplicates, malformed)
    start_ms = round(start.timestamp() * 1000)
    recent: list[Message] = []
    first = 0
    while count is None or first < count:
        # Always a whole block, so that the tweets do not depend on the count.
        block_kinds = kinds[np.arange(first, first + BLOCK) % len(kinds)]
        resend = np.random.default_rng([seed, 4, first]).integers(0, RESEND_WITHIN, BLOCK)
        for i, message in enumerate(tweets(first, BLOCK, seed, start_ms, rate, block_kinds)):
            if first + i == count:
                return
            kind = block_kinds[i]
            if kind == DUPLICATE:
                message = recent[resend[i] % len(recent)]
            elif kind == PLAIN:
                recent.append(message)
                del recent[:-RESEND_WITHIN]
            yield message
        first += BLOCK


def check(
    count: int | None, seed: int, start: datetime, rate: float, late: float, duplicates: float, malformed: float
) -> None:
    """SettingError for options of `stream` that make no sense."""
    fractions = {"--late": late, "--duplicates": duplicates, "--malformed": malformed}
    if count is not None and count < 0:
        raise SettingError(f"--count {count} is below 0", "give the number of messages, such as --count 1000")
    if count is not None and count > MOST:
        raise SettingError(f"--count {count} is above {MOST}", "leave it away for messages without end, or give less")
    if seed < 0:
        raise SettingError(f"--seed {seed} is below 0", "give 0 or more")
    if not (rate == 0 or 0.001 <= rate <= 1e6):
        raise SettingError(
            f"--rate {rate} is not a rate",
            "give messages a second, from 0.001 to a million, such as --rate 50; 0 is as fast as possible",
        )
    for name, fraction in fractions.items():
        if not 0 <= fraction <= 1:
            raise SettingError(
                f"{name} {fraction} is not a fraction", f"give a number from 0 to 1, such as {name} 0.01"
            )
    wrong = sum(round(fraction * (count or BLOCK)) for fraction in fractions.values())
    if wrong > (count or BLOCK) - (duplicates > 0) and count != 0:
        raise SettingError(
            f"{' + '.join(fractions)} leave no tweet to repeat"
            if duplicates
            else f"{' + '.join(fractions)} are more than all",
            "let their sum be below 1",
        )
    if not 1970 <= start.year < 3000:  # so that every event time has a year of four digits
        raise SettingError(f"--start {start} is not of our time", "give one from 1970 to 2999")
    if start.tzinfo is None:
        raise SettingError(f"--start {start} has no time zone", "add one, such as 2026-01-01T12:00:00Z")


def plan(count: int, seed: int, late: float, duplicates: float, malformed: float) -> np.ndarray:
    """The kind of each message, shape (count,): exact numbers in random places, a tweet before its duplicates."""
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
    """The messages number `first` to first + size - 1, each as its kind wants (a duplicate's is only a draw)."""
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
        tweet = {
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
        height = np.where((age >= 0) & (age <= 1), 1 - np.abs(2 * age - 1), 0)  # up and down again: a triangle
        weights[:, burst(seed, slot)] += BURST_WEIGHT * height
    return weights


@lru_cache(maxsize=1024)
def burst(seed: int, slot: int) -> int:
    """Which hashtag bursts from slot * BURST_EVERY seconds on; any but the most popular ones."""
    return int(np.random.default_rng([seed, 3, slot + 1000]).integers(5, len(HASHTAGS)))


def malform(tweet: dict, draw: int) -> bytes:
    """A message that is no tweet, one of the ways in which real ones are not; always a line of its own."""
    ways = (
        to_json(tweet)[:-20],  # cut off
        to_json({k: v for k, v in tweet.items() if k != "created_at"}),  # a field is missing
        to_json(tweet | {"created_at": "2099-01-01T00:00:00.000Z"}),  # from the future
        to_json(tweet | {"created_at": "yesterday"}),  # no time
        to_json([tweet["id"], tweet["text"]]),  # no object
        to_json(tweet).replace(b'"text":"', b'"text":"\xff\xfe'),  # no UTF-8
        to_json(tweet | {"text": None}),  # no text
    )
    return ways[draw % len(ways)]


def to_json(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


TAG_SHARES = 1 / np.arange(1, len(HASHTAGS) + 1)
USER_SHARES = 1 / np.arange(1, len(USERS) + 1) ** 0.8


def add_options(parser: argparse.ArgumentParser, start: datetime | None, count: int | None) -> None:
    """The command-line options that `python -m lib.tweets` and `python -m lib.producer` share."""
    parser.add_argument(
        "--count", type=int, default=count, metavar="N", help="how many messages (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="another seed, other tweets (default: 0)")
    parser.add_argument(
        "--start",
        type=parse_time,
        default=start,
        metavar="TIME",
        help="event time of the first, ISO 8601 (default: %(default)s)",
    )
    parser.add_argument(
        "--rate", type=float, default=50, metavar="R", help="messages a second; 0: as fast as possible (default: 50)"
    )
    for name, text in {
        "late": "are dated 10 minutes back",
        "duplicates": "repeat an earlier tweet",
        "malformed": "are no tweets",
    }.items():
        parser.add_argument(f"--{name}", type=float, default=0, metavar="F", help=f"exactly round(F*N) messages {text}")


def parse_time(text: str) -> datetime:
    """ISO 8601 with a time zone; without one it is taken as UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2026-01-01T12:00:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.tweets", description="Invented tweets, one a line.")
    add_options(parser, start=FIXED_START, count=1000)
    options = parser.parse_args()
    try:
        for message in stream(**vars(options)):
            sys.stdout.buffer.write(message.value + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()


if __name__ == "__main__":
    main()
