"""Exercises of lesson 05: each hint, and the right answer."""

import json
from datetime import datetime, timedelta

import pytest

from lib.course.exercises import UNANSWERED, lesson_05

START = datetime(2026, 1, 1, 12)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def tweet(user: str, seconds: float) -> bytes:
    return json.dumps({"user": user, "created_at": f"{after(seconds).isoformat(timespec='milliseconds')}Z"}).encode()


TWEETS = [tweet("ana", s) for s in (0, 4, 13.5, 30)] + [tweet("bo", 9), tweet("bo", 19), tweet("bo", 400)]
RIGHT = [
    ("ana", after(0), after(23.5), 3),
    ("ana", after(30), after(40), 1),
    ("bo", after(9), after(19), 1),
    ("bo", after(19), after(29), 1),
]
OPEN = ("bo", after(400), after(410), 1)


@pytest.mark.parametrize("answer", [None, "x", {}, object(), 4.5, [1], [(1, 2, 3, 4)]])
def test_an_answer_of_any_kind_is_judged(answer):
    for verdict in (lesson_05.delay(answer, {4: "-"}), lesson_05.sessions(answer, TWEETS, 10)):
        assert not verdict and verdict.text.startswith("Not yet: ")


def test_three_dots_are_no_answer():
    assert lesson_05.delay(..., {}) is UNANSWERED and lesson_05.sessions(..., TWEETS, 10) is UNANSWERED


@pytest.mark.parametrize(
    "emitted, hint",
    [
        ({3: "0 s: 4", 4: "10 s: 1, 20 s: 1"}, "is final before the event of second 5 arrives"),
        ({3: "-", 4: "-"}, "is still open in micro-batch 4"),
        ({3: "-", 4: "10 s: 4"}, "is still open in micro-batch 4"),
    ],
)
def test_a_delay_too_short_or_too_long(emitted, hint):
    assert hint in lesson_05.delay(20, emitted).text


def test_a_delay_that_is_not_a_number():
    assert "a whole number of seconds" in lesson_05.delay("15 seconds", {}).text


def test_a_delay_that_is_right():
    assert lesson_05.delay(20, {3: "-", 4: "0 s: 5, 10 s: 1"})


@pytest.mark.parametrize(
    "answer, hint",
    [
        ([], "there is no session"),
        (RIGHT + RIGHT[:1], "more than once"),
        (RIGHT[1:], "1 sessions are missing"),
        ([("ana", after(0), after(40), 4), *RIGHT[2:]], "has another end: check the gap and the watermark"),
        ([row[:3] for row in RIGHT], "four values"),
        ([(user, str(start), str(end), n) for user, start, end, n in RIGHT], "not texts"),
        ([*RIGHT, ("ana", after(7), after(17), 1)], "there is no session of ana from"),
        ([("ana", after(0), after(23.5), 2), *RIGHT[1:]], "there is no session of ana from"),
    ],
)
def test_sessions_that_are_wrong(answer, hint):
    assert hint in lesson_05.sessions(answer, TWEETS, 10).text


@pytest.mark.parametrize("answer", [RIGHT, RIGHT[::-1], [*RIGHT, OPEN], [list(row) for row in RIGHT]])
def test_sessions_that_are_right_with_or_without_those_that_are_still_open(answer):
    assert lesson_05.sessions(answer, TWEETS, 10)
