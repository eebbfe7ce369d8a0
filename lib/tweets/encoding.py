"""Encoder of tweets: JSON in UTF-8, joined from pieces that are encoded in advance.

A tweet consists of few different pieces: 40 hashtags, 320 users, 32 phrases. Joining their bytes takes a fraction of
the time that `json.dumps` needs. The pieces are chosen for many tweets at once, with one index for each tweet.
"""

import json
from collections.abc import Iterable
from itertools import accumulate

import numpy as np

from lib.tweets.vocabulary import EMOJI, HASHTAGS, PHRASES, USERS

NOTHING = -1  # index of the empty piece


def to_json(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def pieces(texts: Iterable[str], before: bytes = b"", after: bytes = b"") -> np.ndarray:
    """Texts as they stand in a JSON string, between the same bytes; the last piece is empty. Bytes, shape (n + 1,)."""
    return np.array([before + to_json(text)[1:-1] + after for text in texts] + [b""], dtype=object)


# The fields and their order are those of lib.trends.PLAIN; others make Spark parse a tweet several times more slowly.
KEY = pieces(USERS)
USER = pieces(USERS, before=b'","user":"')
PHRASE = pieces((phrase for phrases in PHRASES.values() for phrase in phrases), before=b'","text":"')
HASHTAG = pieces(f" #{tag}" for tag, _ in HASHTAGS)
UPPER = pieces(f" #{tag.upper()}" for tag, _ in HASHTAGS)
AN_EMOJI = pieces(f" {emoji}" for emoji in EMOJI)
LANGUAGE = pieces((language for _, language in HASHTAGS), before=b'","lang":"')
MILLISECOND = pieces((f"{number:03}" for number in range(1000)), after=b'Z","retweets":')

# Where the phrases of each hashtag's language begin in PHRASE, and how many there are.
BEGINS = dict(zip(PHRASES, accumulate(map(len, PHRASES.values()), initial=0), strict=False))
PHRASE_BEGINS = np.array([BEGINS[language] for _, language in HASHTAGS])
PHRASE_COUNTS = np.array([len(PHRASES[language]) for _, language in HASHTAGS])


def encode(
    prefix: str,
    numbers: Iterable[int],
    users: np.ndarray,
    phrases: np.ndarray,
    tags: np.ndarray,
    more: Iterable[np.ndarray],
    created_ms: np.ndarray,
    retweets: np.ndarray,
) -> list[bytes]:
    """The JSON of n tweets. An id is the prefix and a number; the arrays have the shape (n,).

    `tags` are hashtags, whose language is the tweet's; `phrases` are any numbers from 0. `more` has the pieces that
    follow the phrase.
    """
    seconds, milliseconds = np.divmod(created_ms, 1000)
    different, which = np.unique(seconds, return_inverse=True)  # a second is the same in many tweets
    clock = np.datetime_as_string(different.astype("datetime64[s]"))
    columns = [
        USER[users],
        PHRASE[PHRASE_BEGINS[tags] + phrases % PHRASE_COUNTS[tags]],
        *more,
        LANGUAGE[tags],
        pieces(clock, before=b'","created_at":"', after=b".")[which],
        MILLISECOND[milliseconds],
        pieces(map(str, range(retweets.max() + 1)), after=b"}")[retweets],
    ]
    ids = map((b'{"id":"%b%%d' % prefix.encode()).__mod__, numbers)
    return list(map(b"".join, zip(ids, *(column.tolist() for column in columns), strict=True)))
