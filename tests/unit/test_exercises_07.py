"""Exercises of lesson 07: each hint, and the right answers. The group and the topic are in the integration tests."""

from types import SimpleNamespace

import pandas as pd
import pytest

from lib.course.exercises import UNANSWERED, lesson_07
from lib.topics.cluster import Partition, Record

LAG = pd.Series([100, 20_000, 40_000, 31_000, 20_000, 10_000, 900], index=[0, 1, 2, 4, 6, 8, 10.0])
BEFORE, AFTER = [b"a", b"b"], [b"c"]


class Broken:
    """A cluster that must not be asked."""


class Asked:
    """Three brokers' answers about one topic, and when one was killed, in ms."""

    def __init__(
        self, partitions: int = 4, replicas: int = 3, least: str = "2", down: int | None = 1, kills: tuple = (1500,)
    ) -> None:
        brokers = list(range(1, replicas + 1))
        in_sync = [number for number in brokers if number != down]
        self.places = [Partition("own", number, in_sync[0], brokers, in_sync) for number in range(partitions)]
        self.least, self.kills, self.cluster = least, kills, self

    def partitions(self, topic: str) -> list[Partition]:
        return self.places

    def configuration(self, topic: str, name: str) -> str:
        return self.least

    def read(self, topic: str) -> list[Record]:
        return [Record(0, n, 1000 * n, None, value) for n, value in enumerate((b"a", b"b", b"c"))]


def test_three_dots_are_no_answer():
    assert lesson_07.assignment(..., ..., 5, Broken()) is UNANSWERED
    assert lesson_07.catch_up(..., LAG, 400_000, 1000) is UNANSWERED
    assert lesson_07.survives(..., ..., "own", Broken()) is UNANSWERED


@pytest.mark.parametrize("answer", [None, "x", {}, object(), [1], {"ana": 1}])
def test_an_answer_of_any_kind_is_judged(answer):
    for verdict in (
        lesson_07.assignment(answer, 2, 5, Broken()),
        lesson_07.catch_up(answer, LAG, 400_000, 1000),
        lesson_07.survives(answer, answer, "own", Asked()),
    ):
        assert not verdict and verdict.text.startswith("Not yet: ")


@pytest.mark.parametrize(
    "shares, idle, hint",
    [
        (([0], [1], [2, 3, 4]), ..., "a whole number"),
        (([0], [1], [2, 3, 4]), True, "a whole number"),
        (([1, 2], [3, 4], [5]), 2, "the numbers 0 to 4"),
        (([0, 1], [1, 2], [3, 4]), 2, "to two members"),
        (([0, 1], [2], [3]), 2, "1 partition(s) have no member"),
    ],
)
def test_a_prediction_that_no_group_can_have(shares, idle, hint):
    prediction = dict(zip(lesson_07.FIRST, shares, strict=True))
    assert hint in lesson_07.assignment(prediction, idle, 5, Broken()).text


@pytest.mark.parametrize(
    "answer, hint",
    [
        ("10", "a number of seconds"),
        (True, "a number of seconds"),
        (-80, "too short"),
        (8, "too short"),
        (110, "too long"),
        (82, "Correct."),
        (65, "Correct."),
        (100, "Correct."),
    ],
)
def test_the_seconds_until_a_query_has_caught_up(answer, hint):
    """The lag falls by 39,100 messages in 8 s, 4,887 a second: 399,000 take 82 s."""
    assert hint in lesson_07.catch_up(answer, LAG, 400_000, 1000).text


@pytest.mark.parametrize(
    "three, before, after, hint",
    [
        (SimpleNamespace(cluster=None, partitions=lambda topic: []), BEFORE, AFTER, "no topic"),
        (Asked(partitions=3), BEFORE, AFTER, "some would be idle"),
        (Asked(partitions=6), BEFORE, AFTER, "fewer are enough"),
        (Asked(replicas=2), BEFORE, AFTER, "has 2 replica(s)"),
        (Asked(least="1"), BEFORE, AFTER, "while only 1 broker has it"),
        (Asked(least="3"), BEFORE, AFTER, "nobody can send"),
        (Asked(), [], AFTER, "acknowledged before the kill"),
        (Asked(), BEFORE, [], "others after it"),
        (Asked(down=None), BEFORE, AFTER, "Did you kill one"),
        (Asked(), [b"a", b"z"], AFTER, "1 of your messages are not in the topic"),
        (Asked(), [b"a", b"c"], [b"b"], "must come after the last message of `before`"),
        (Asked(kills=()), BEFORE, AFTER, "must come after the last message of `before`"),
        (Asked(kills=(2500,)), BEFORE, AFTER, "and before the first of `after`"),
        (Asked(), BEFORE, AFTER, "Correct."),
    ],
)
def test_a_topic_that_survives(three, before, after, hint):
    assert hint in lesson_07.survives(before, after, "own", three).text
