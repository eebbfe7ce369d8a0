"""Faults put into the consumer on purpose: the recount finds each of them, by itself."""

from datetime import UTC, datetime

import pytest
from pyspark.sql import functions as F
from pyspark.sql.classic.dataframe import DataFrame
from pyspark.sql.streaming.readwriter import DataStreamReader

from lib import trends
from lib.consumer.store import Store
from lib.errors import CountError
from tests.integration.conftest import DEVANAGARI, honest, tweet


def one_batch_is_written_as(change):
    """The fault that changes the counts of the first batch that has any: no later one writes its panes again."""
    write, changed = Store.write, []

    def wrong(self, number, batch, counts, *others):
        if counts and not changed:
            changed.append(number)
            counts = change(counts)
        write(self, number, batch, counts, *others)

    return Store, "write", wrong


def other_delay():
    delay = DataFrame.withWatermark
    return DataFrame, "withWatermark", lambda self, column, _: delay(self, column, "60 seconds")


def every_tweet_is_another_one():
    mark = trends.mark_dead_letters
    other_id = F.concat("id", "partition", "offset")
    return trends, "mark_dead_letters", lambda parsed: mark(parsed.withColumn("id", other_id))


def windows_shifted():
    count = trends.count_windows
    later = F.expr("window_start + INTERVAL 1 SECOND")
    return trends, "count_windows", lambda *args: count(*args).withColumn("window_start", later)


def aborted_transactions_are_read():
    option, level = DataStreamReader.option, "kafka.isolation.level"
    wrong = lambda self, name, value: option(self, name, "read_uncommitted" if name == level else value)  # noqa: E731
    return DataStreamReader, "option", wrong


FAULTS = {
    "a lost batch": lambda: one_batch_is_written_as(lambda counts: []),
    "a batch added twice": lambda: one_batch_is_written_as(lambda counts: [(*row[:2], 2 * row[2]) for row in counts]),
    "another watermark delay": other_delay,
    "tweets of the future accepted": lambda: (
        trends, "is_ahead", lambda created_at: created_at > F.expr("timestamp + INTERVAL 300 SECONDS"),
    ),
    "no de-duplication": every_tweet_is_another_one,
    "windows shifted": windows_shifted,
    "accents cut from hashtags": lambda: (trends, "HASHTAG", r"#([\p{L}\p{N}_]+)"),
    "aborted transactions counted": aborted_transactions_are_read,
}  # fmt: skip


@pytest.fixture
def counted(count, transaction):
    """Count micro-batches that hold something for each fault, and judge the answer."""

    def counted() -> dict[str, int]:
        transaction([tweet("aborted", -2)], commit=False)
        again = [tweet("again", -3, "#again", datetime.now(UTC))] * 2
        first = [*again, tweet("future", 290), tweet("marks", -2, DEVANAGARI)]
        return count(first, honest(1), [tweet("late", -45), *honest(2)], honest(3))

    return counted


def test_without_a_fault_the_recount_agrees(counted):
    totals = counted()
    assert totals == {"received": 305, "counted": 302, "duplicates": 1, "late": 1, "malformed": 1}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_recount_finds(fault, counted, monkeypatch):
    monkeypatch.setattr(*FAULTS[fault]())
    with pytest.raises(CountError):
        counted()
