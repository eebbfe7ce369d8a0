"""Exercises of lesson 06: each hint, and the right answer."""

import json

import pytest

from lib import tweets
from lib.course.exercises import UNANSWERED, lesson_06
from lib.topics import Record

SINKS = ("at most once", "at least once", "effectively once")
NOW = 1_800_000_000_000  # ms; after the tweets' own times
RIGHT = {"at most once": (50, 0), "at least once": (0, 50), "effectively once": (0, 0)}
BETWEEN = {"at most once": (100, 0), "at least once": (0, 100), "effectively once": (0, 0)}
FITS = ("at most once", "between")
COUNT, SEED = 60, 6
HEALTHY = [value for _, value in tweets.stream(COUNT, SEED)]
POISONED = lesson_06.poisoned(COUNT, SEED)


def kill(sink: str, moment: str) -> tuple[int, int, int]:
    """What the lesson's own function returns; there it kills processes."""
    if moment in ("before both", "after both"):
        return 0, 0, 41
    return (*{"within the write": RIGHT, "between": BETWEEN}[moment][sink], 12)


def records(*values: bytes) -> list[Record]:
    """A topic with the spoiled tweets and these values after them."""
    return [Record(0, offset, NOW, None, value) for offset, value in enumerate([*POISONED, *values])]


def mended() -> list[bytes]:
    return [HEALTHY[n] for n in range(COUNT) if HEALTHY[n] != POISONED[n]]


@pytest.mark.parametrize("answer", [None, "x", {}, object(), 4, [1], (1, 2), {"at most once": 1}])
def test_an_answer_of_any_kind_is_judged(answer):
    for verdict in (lesson_06.kills(answer, FITS, SINKS, kill), lesson_06.kills(RIGHT, answer, SINKS, kill)):
        assert not verdict and verdict.text.startswith("Not yet: ")


def test_three_dots_are_no_answer():
    assert lesson_06.kills(..., ..., SINKS, kill) is UNANSWERED
    assert "your prediction is right: now choose" in lesson_06.kills(RIGHT, ..., SINKS, kill).text


@pytest.mark.parametrize(
    "change, hint",
    [
        ({"at most once": 50}, "two whole numbers"),
        ({"at most once": (0.5, 0)}, "two whole numbers"),
        ({"at most once": (100, 0)}, "another number of missing tweets for 'at most once'"),
        ({"at most once": (50, 50)}, "another number of surplus tweets for 'at most once'"),
        ({"at least once": (50, 50)}, "another number of missing tweets for 'at least once'"),
        ({"effectively once": (0, 50)}, "another number of surplus tweets for 'effectively once'"),
        ({"own": (0, 0)}, "a dictionary with the keys"),
    ],
)
def test_a_prediction_that_is_wrong(change, hint):
    assert hint in lesson_06.kills(RIGHT | change, FITS, SINKS, kill).text


def test_a_prediction_and_a_choice_that_are_right():
    assert lesson_06.kills(RIGHT, FITS, SINKS, kill)


@pytest.mark.parametrize(
    "answer, hint",
    [
        ("at most once", "a sink and a moment"),
        (("at least once", "between"), "100 people get their message twice"),
        (("at least once", "before both"), "All three sinks pass this test"),
        (("at most once", "after both"), "All three sinks pass this test"),
        (("effectively once", "between"), "replace the first on a phone?"),
        (("my sink", "between"), "could not be used here (KeyError: 'my sink')"),
    ],
)
def test_a_sink_that_does_not_fit_or_a_kill_that_shows_nothing(answer, hint):
    assert hint in lesson_06.kills(RIGHT, answer, SINKS, kill).text


@pytest.mark.parametrize("moment", ["between", "within the write"])
def test_a_sink_that_fits(moment):
    assert lesson_06.kills(RIGHT, ("at most once", moment), SINKS, kill)


def test_the_topic_is_spoiled_in_two_ways():
    spoiled = [value for value in POISONED if value not in HEALTHY]
    assert {value[:1] for value in spoiled} == {b"\xff", b'"'} and len(spoiled) == len(mended())


@pytest.mark.parametrize(
    "sent, hint",
    [
        ([], "tweets are missing. The first one is at offset 3: b'\\xff\\xfe"),
        (mended()[:1], "of 60 tweets are missing. The first one is at offset 7: b'\"{"),
        ([b"{}"], "your message at offset 60 cannot be read either: b'{}'"),
        ([*mended()[:1], POISONED[3]], "your message at offset 61 cannot be read either"),
        ([json.dumps(json.loads(HEALTHY[3]) | {"id": "new"}).encode()], "a tweet that nobody has sent"),
    ],
)
def test_a_topic_that_is_not_repaired(sent, hint):
    assert hint in lesson_06.repaired(records(*sent), COUNT, SEED).text


def test_a_topic_that_is_repaired_perhaps_twice():
    assert lesson_06.repaired(records(*mended()), COUNT, SEED)
    assert lesson_06.repaired(records(*mended(), *mended()[::-1]), COUNT, SEED)
