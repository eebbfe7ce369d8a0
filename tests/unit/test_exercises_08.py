"""Exercises of lesson 08: each hint, and the right answers. The real sinks are in the integration tests."""

import math

import pytest
from pyspark.errors import StreamingQueryException

from lib.course.exercises import UNANSWERED, lesson_08

BATCH = 0.4, 0.0002  # at 1,000 tweets a second: 0.4 / (1 - 0.2) = 0.5 s
PYTHON, CLUSTER = (0.1, 30e-6), (6.1, 10e-6)  # 6 s more, 20 µs less for each: 300,000 tweets
ROWS = {(60, "ai"): 3, (60, "news"): 2}


def sink(batch, number): ...


def measure(found: dict = ROWS, seconds: float = 0.5):
    """A measurement with this result for each sink, but 0.4 s for one that throws the rows away."""
    return lambda given: (0.4, {}) if given is lesson_08.throw_away else (seconds, found)


def broken(_):
    raise StreamingQueryException("[FOREACH] long\nTraceback\n  File x\nNameError: name 'rows' is not defined\n\n")


def test_three_dots_are_no_answer():
    assert lesson_08.steady(..., BATCH, 1_000) is UNANSWERED
    assert lesson_08.crossing(..., PYTHON, CLUSTER) is UNANSWERED
    assert lesson_08.faster(..., ..., (3.0, ROWS), measure()) is UNANSWERED


@pytest.mark.parametrize("answer", [None, "x", {}, object(), [1], True, -1, 0, float("nan")])
def test_an_answer_of_any_kind_is_judged(answer):
    for verdict in (
        lesson_08.steady(answer, BATCH, 1_000),
        lesson_08.crossing(answer, PYTHON, CLUSTER),
        lesson_08.faster(answer, sink, (3.0, ROWS), measure()),
        lesson_08.faster("sink", answer, (3.0, ROWS), measure()),
    ):
        assert not verdict and verdict.text.startswith("Not yet: ")


@pytest.mark.parametrize(
    "answer, hint",
    [
        (0.4, "if a micro-batch takes 0.4 s, 400 tweets arrive meanwhile, and the next one takes 0.48 s"),
        (0.6, "600 tweets arrive meanwhile, and the next one takes 0.52 s. Which length stays the same?"),
        (math.inf, "it does not grow for ever: a tweet costs 0.0002 s, and the next one comes after 0.001 s"),
        (0.5, "Correct."),
    ],
)
def test_the_length_of_a_micro_batch_under_load(answer, hint):
    assert hint in lesson_08.steady(answer, BATCH, 1_000).text


@pytest.mark.parametrize("each, wrong", [(4e-6, 0.274), (20e-6, 0.274 * 1.2), (30e-6, 0.274), (30e-6, 0.274 * 1.3)])
def test_what_arrives_meanwhile_counts_however_little_a_tweet_costs(each, wrong):
    """The fixed cost alone, and fixed * (1 + each * rate), are near the length on a fast computer."""
    cost, rate = (0.274, each), 10_000
    right = 0.274 / (1 - each * rate)
    assert not lesson_08.steady(wrong, cost, rate)
    assert lesson_08.steady(right, cost, rate) and lesson_08.steady(float(f"{right:.3g}"), cost, rate)


def test_a_query_that_cannot_keep_up_has_no_such_length():
    assert lesson_08.steady(math.inf, (0.4, 0.002), 1_000)
    assert "the next one takes 20.4 s" in lesson_08.steady(10, (0.4, 0.002), 1_000).text


@pytest.mark.parametrize(
    "answer, hint",
    [
        (100_000, "for 100,000 tweets Python takes 3.1 s, and the cluster 7.1 s. When do they take the same?"),
        (10_000_000, "Python takes 300 s, and the cluster 106 s"),
        (math.inf, "so there is such a number"),
        (300_000, "Correct."),
    ],
)
def test_the_number_of_tweets_from_which_on_a_cluster_is_worth_its_start(answer, hint):
    assert hint in lesson_08.crossing(answer, PYTHON, CLUSTER).text


def test_a_cluster_that_never_wins():
    assert lesson_08.crossing(math.inf, PYTHON, (6.1, 40e-6))
    assert "When do they take the same?" in lesson_08.crossing(1e9, PYTHON, (6.1, 40e-6)).text


@pytest.mark.parametrize(
    "bottleneck, own, measured, hint",
    [
        ("partitions", sink, measure(), "say which part has to change: 'read', 'parse', 'count', 'sink'"),
        ("parse", sink, measure(), "takes 0.4 s instead of 3 s, though it still reads, parses and counts, once"),
        ("sink", ..., measure(), "you have found it: the sink. Now write one"),
        ("sink", "write_popular", measure(), "must be a function of a batch and its number"),
        ("sink", sink, broken, "an error in your sink: NameError: name 'rows' is not defined"),
        ("sink", sink, measure({}), "2 of 2 rows are missing in the table, such as (60, 'ai')"),
        ("sink", sink, measure(ROWS | {(60, "ai"): 4}), "1 rows of the table are not as before, such as (60, 'ai')"),
        ("sink", sink, measure(ROWS | {(0, "cat"): 1}), "1 rows of the table are not as before, such as (0, 'cat')"),
        ("sink", sink, measure(seconds=2.0), "the table is right, but a micro-batch takes 2 s, and 3 s before"),
        ("sink", sink, measure(seconds=1.0), "Correct."),
    ],
)
def test_a_bottleneck_and_a_sink(bottleneck, own, measured, hint):
    assert hint in lesson_08.faster(bottleneck, own, (3.0, ROWS), measured).text
