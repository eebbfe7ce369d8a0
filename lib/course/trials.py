"""Trials of a query: its counts in a dictionary, on any checkpoint, and the right counts to compare them with.

The topics have one partition.
"""

import re
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib import trends
from lib.consumer.running import Consumer
from lib.consumer.store import Batch
from lib.course import timeline
from lib.query import TrendQuery
from lib.ranking import to_dict
from lib.recount import Tweet, hashtags, recount
from lib.topics import Cluster, Record

Counts = Counter  # {(window start in ms since 1970, hashtag): tweets}
NOW = {"availableNow": True}
SECONDS = 200
# The parts of Spark's long messages that say what is wrong.
WORDS = "|".join((
    r"Some data may have been lost", r"out of range for partition \S+", r"Partition \S+ offset was changed[^.\n]*",
    r"\[(?:STATE|CONCURRENT)_[^.\n]*",
))  # fmt: skip


def stream(spark: SparkSession, cluster: Cluster, topic: str, **options: object) -> DataFrame:
    """A topic as a stream, from its first message, at most 100 messages in a micro-batch; options of Spark's reader."""
    kafka = {"kafka.bootstrap.servers": cluster.address, "subscribe": topic, "startingOffsets": "earliest"}
    kafka |= cluster.security.spark() | {"maxOffsetsPerTrigger": 100}
    return spark.readStream.format("kafka").options(**kafka | options).load()


class Trial(NamedTuple):
    """What Spark said, the counts, and the shuffle partitions (None if no messages were taken)."""

    said: str
    counts: Counts
    partitions: int | None = None


def trial(
    rows: DataFrame, checkpoint: Path, before: Counts | None = None, trigger: dict = NOW, partitions: int = 2
) -> Trial:
    """Run a query over what is in its topic, and upsert its rows in a copy of the counts `before`.

    The rows have the columns window_start, window_end, hashtag and tweets. `partitions` are the shuffle partitions that
    are asked for. If the query fails, the words of Spark's error are what it said.
    """
    counts = Counter(before)

    def upsert(batch: DataFrame, _: int) -> None:
        for start, hashtag, tweets in batch.collect():
            counts[start, hashtag] = tweets

    rows.sparkSession.conf.set("spark.sql.shuffle.partitions", partitions)
    writer = rows.select(F.unix_millis("window_start"), "hashtag", "tweets").writeStream.outputMode("update")
    query = writer.trigger(**trigger).option("checkpointLocation", str(checkpoint)).foreachBatch(upsert).start()
    try:
        query.awaitTermination(SECONDS) if trigger == NOW else query.processAllAvailable()
        reports = [report for report in query.recentProgress if report.numInputRows]
        used = reports[-1].stateOperators[0].numShufflePartitions if reports else None
        return Trial(f"accepted, {sum(report.numInputRows for report in reports)} messages taken", counts, used)
    except StreamingQueryException as error:
        return Trial(": ".join(dict.fromkeys(re.findall(WORDS, str(error)))) or str(error), counts)
    finally:
        query.stop()


def count_by(column: str, messages: DataFrame, query: TrendQuery) -> DataFrame:
    """The rows of a query of the same form as `trends.trending`, with this column or expression instead of hashtags."""
    once = (
        messages.transform(trends.parse)
        .transform(trends.keep_tweets)
        .transform(trends.drop_duplicates, query.watermark)
    )
    return trends.count_windows(once.withColumn("hashtag", F.expr(column)), query.window, query.slide)


def right_counts(values: Iterable[bytes], query: TrendQuery) -> Counts:
    """The right counts of messages that arrive now, all in one micro-batch: the oracle's."""
    now = round(time.time() * 1000)
    records = [Record(0, number, now, None, value) for number, value in enumerate(values)]
    lengths = query.window_ms, query.slide_ms, query.watermark_ms
    return recount(records, [Batch({0: len(records)}, 0, 0)], *lengths).windows


def wrong(counts: Counts, right: Counts) -> int:
    """How many counts differ."""
    return sum(counts[key] != right[key] for key in counts | right)


def judge(rows: Iterable[tuple[str, str]], tweets: Iterable[Tweet]) -> tuple[int, int, str]:
    """Compare rows (id, text) with the tweets that they should be, each once.

    Returns how many tweets are missing, how many rows are surplus, and of how many hashtags the count is right, such as
    "12 of 41".
    """
    found, right = Counter(rows), Counter((tweet.id, tweet.text) for tweet in tweets)
    counts, expected = (
        Counter(tag for _, text in each.elements() for tag in hashtags(text)) for each in (found, right)
    )
    same = sum(counts[tag] == tweets for tag, tweets in expected.items())
    return (right - found).total(), (found - right).total(), f"{same} of {len(expected)}"


def copy_checkpoint(checkpoint: Path, name: str, *without: str) -> Path:
    """Copy a checkpoint to a folder beside it, without these files ("commits/2"); its path."""
    copy = checkpoint.with_name(name)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(checkpoint, copy)
    for file in without:
        (copy / file).unlink()
    return copy


def prove(name: str, running: Consumer, cluster: Cluster, sent: int, fault: float) -> None:
    """Compare a consumer's store with the oracle, once all messages are counted, and draw the fault (s since 1970).

    Prints how many of the tweets sent are missing, how many counts are wrong, and the seconds to recover.
    AssertionError if tweets are missing or counts are wrong.
    """
    query, store = running.query, running.store
    running.wait_for(cluster.offsets(running.topic), SECONDS)
    lengths = query.window_ms, query.slide_ms, query.watermark_ms
    answer = recount(cluster.read(running.topic), store.batches(), *lengths)
    missing, differ = sent - answer.totals()["counted"], wrong(Counter(to_dict(store.windows())), answer.windows)
    print(f"missing: {missing} · counts that differ from the oracle's: {differ}")
    assert missing == differ == 0
    found = timeline.times(cluster, running.topic, store)
    print(f"seconds to recover: {timeline.recovery(found, fault):.1f}")
    timeline.draw(found, fault, name)
