"""Exercises of lesson 04: wrong answers with the hint that fits, and right ones."""

import json
from collections import Counter

import pandas as pd
import pytest

from lib import tweets
from lib.course.exercises import lesson_04
from lib.recount import parse
from lib.topics import Record
from lib.tweets import FIXED_START
from lib.tweets.vocabulary import HASHTAGS

START, SEED = pd.Timestamp("2026-01-01 12:00"), 4


@pytest.mark.parametrize("answer", [None, "x", [], {}, object(), 4.5, (1, 2, 3)])
def test_an_answer_of_any_kind_is_judged(answer):
    for check, by in ((lesson_04.bursts, (abs, pd.DataFrame(), 0, START)), (lesson_04.by_language, ([], []))):
        verdict = check(answer, *by)
        assert not verdict and verdict.text.startswith("Not yet: ")


@pytest.fixture(scope="module")
def per_window():
    """Tweets by window and hashtag, constant but for the planned bursts; the five largest hashtags have ten times as
    many as the others, and no bursts."""
    windows = pd.date_range(START, periods=60, freq="5s")
    names = [name.lower() for name, _ in HASHTAGS]
    counts = pd.DataFrame(100, index=windows, columns=names)
    counts.iloc[:, : lesson_04.LARGEST] = 1000
    for begin, hashtag in lesson_04.planned(SEED, START, windows[-1]):
        counts.loc[begin : begin + pd.Timedelta("20s"), hashtag] = 200
    counts.iloc[7, -1] = 160  # noise
    return counts


@pytest.mark.parametrize(
    "thresholds, rule, hint",
    [
        (2, None, "give three thresholds"),
        ((2, 1, 3), None, "should rise"),
        ((0, 1.5, 3), lambda counts, t: ..., "three dots"),
        ((0, 1.5, 3), lambda counts, t: (counts > t).astype(int), "True and False"),
        ((0, 1.5, 3), lambda counts, t: counts.iloc[1:] > t, "the windows and the hashtags"),
        ((0, 1.5, 3), lambda counts, t: counts >= 1.5 * counts.median(), "see that it uses its threshold"),
        ((1, 20, 30), None, "flags no window at all"),
        ((0, 150, 3000), lambda counts, t: counts >= t, "Most are of large hashtags"),
        ((0, 150, 3000), lambda counts, t: counts >= t, "False alarms, for example: datascience at 12:00:00"),
        ((0.5, 1, 2), lambda counts, t: counts <= t * counts.median(), "does it flag high counts"),
        (
            (-1, 0.9, 3),
            lambda counts, t: (counts >= t * counts.median()) & ((counts < 1000) | (t < 0)),
            "False alarms, for example: ",
        ),
        (
            (0, 1.7, 3),
            lambda counts, t: (counts >= t * counts.median()) & (counts.columns < "k"),
            "Missed bursts, for example: ",
        ),
        ((0, 250, 3000), lambda counts, t: counts >= t, "Missed bursts, for example: "),
        ((1.3, 1.9, 3), None, "the precision is still"),
        (
            (0, 1.7, 3),
            lambda counts, t: (counts >= t * counts.median()) & (counts - counts.median() > 50),
            "a fixed part of your rule decides",
        ),
        ((0, 1.7, 1.9), None, "the recall is still"),
        ((0, 1.7, 3), None, "Correct."),
        ((0, 1.7, 3), lambda counts, t: (counts >= t * counts.median())[counts.columns[::-1]], "Correct."),
    ],
)
def test_lesson_04_bursts(per_window, thresholds, rule, hint):
    rule = rule or (lambda counts, t: counts >= t * counts.median())
    verdict = lesson_04.bursts(thresholds, lambda t: rule(per_window, t), per_window, SEED, START)
    assert hint in verdict.text and bool(verdict) == (hint == "Correct.")


def test_lesson_04_by_language():
    stream = tweets.stream(300, SEED, late=0.1, duplicates=0.1, malformed=0.1)
    records = [Record(0, n, 1_800_000_000_000, *message) for n, message in enumerate(stream)]
    valid = [(tweet, json.loads(record.value)["lang"]) for record in records if (tweet := parse(record))]
    late = {tweet for tweet, _ in valid if tweet.created_ms < FIXED_START.timestamp() * 1000 - 60_000}
    assert len(late) == 30
    right = Counter(dict(valid).values())
    without_late = Counter(language for tweet, language in dict(valid).items() if tweet not in late)
    most = max(right, key=right.get)
    for answer, hint in (
        (["en"], "give a dictionary"),
        ({"en": "10"}, "give a dictionary"),
        (right | {None: 1}, "malformed"),
        ({f'"{language}"': count for language, count in right.items()}, "quotation marks"),
        (Counter(language for _, language in valid), "sent twice counts once"),
        (without_late, "the late tweets are missing"),
        (right + Counter({most: 1}), "more than there are valid tweets"),
        (right - Counter({most: 1}), "fewer than"),
        (right + Counter({"es": 1}) - Counter({"en": 1}), "not the split"),
        (dict(right), "Correct."),
        (pd.Series(right), "Correct."),
    ):
        verdict = lesson_04.by_language(answer, records, late)
        assert hint in verdict.text and bool(verdict) == (hint == "Correct."), hint
