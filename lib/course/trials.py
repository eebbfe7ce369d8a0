"""Trials of a query: its counts in a dictionary, on any checkpoint, and the right counts to compare them with.

The topics have one partition.
"""

import re
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.listener import StreamingQueryProgress

from lib.consumer.store import Batch
from lib.query import TrendQuery
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
    return spark.readStream.format("kafka").options(**kafka | {"maxOffsetsPerTrigger": 100} | options).load()


def run(
    rows: DataFrame, checkpoint: Path, counts: Counts, trigger: dict = NOW, partitions: int = 2
) -> list[StreamingQueryProgress] | str:
    """Run a query over what is in its topic, and upsert its rows in `counts`.

    The rows have the columns window_start, window_end, hashtag and tweets.

    Returns Spark's reports of the micro-batches that took messages, or if the query failed, the words of its error.
    `partitions` are the shuffle partitions that are asked for.
    """

    def upsert(batch: DataFrame, _: int) -> None:
        for start, hashtag, tweets in batch.collect():
            counts[start, hashtag] = tweets

    rows.sparkSession.conf.set("spark.sql.shuffle.partitions", partitions)
    writer = rows.select(F.unix_millis("window_start"), "hashtag", "tweets").writeStream.outputMode("update")
    query = writer.trigger(**trigger).option("checkpointLocation", str(checkpoint)).foreachBatch(upsert).start()
    try:
        query.awaitTermination(SECONDS) if trigger == NOW else query.processAllAvailable()
        return [report for report in query.recentProgress if report.numInputRows]
    except StreamingQueryException as error:
        return ": ".join(dict.fromkeys(re.findall(WORDS, str(error)))) or str(error)
    finally:
        query.stop()


def said(found: list[StreamingQueryProgress] | str) -> str:
    """What `run` has returned, in a line."""
    if isinstance(found, str):
        return found
    return f"accepted, {sum(report.numInputRows for report in found)} messages taken"


def right_counts(values: Iterable[bytes], query: TrendQuery) -> Counts:
    """The right counts of messages that arrive now, all in one micro-batch: the oracle's."""
    now = round(time.time() * 1000)
    records = [Record(0, number, now, None, value) for number, value in enumerate(values)]
    lengths = query.window_ms, query.slide_ms, query.watermark_ms
    return recount(records, [Batch({0: len(records)}, 0, 0)], *lengths).windows


def wrong(counts: Counts, right: Counts) -> int:
    """How many counts differ."""
    return sum(counts[key] != right[key] for key in counts | right)


def judge(rows: Iterable[tuple[str, str]], tweets: Iterable[Tweet]) -> tuple[int, int, int]:
    """Compare rows (id, text) with the tweets that they should be, each once.

    Returns how many tweets are missing, how many rows are surplus, and of how many hashtags the count is right.
    """
    found, right = Counter(rows), Counter((tweet.id, tweet.text) for tweet in tweets)
    counts, expected = (
        Counter(tag for _, text in each.elements() for tag in hashtags(text)) for each in (found, right)
    )
    same = sum(counts[tag] == tweets for tag, tweets in expected.items())
    return (right - found).total(), (found - right).total(), same


def copy_checkpoint(checkpoint: Path, copy: Path, *without: str) -> Path:
    """Copy a checkpoint, without these files ("commits/2") and their checksums, and return the copy."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(checkpoint, copy)
    for file in without:
        (copy / file).unlink()
        (copy / file).with_name(f".{Path(file).name}.crc").unlink()
    return copy
