"""Structured Streaming application: windowed hashtag counts from a Kafka topic into Parquet, and their progress.

How a count stays right: the counting query runs in update mode and overwrites `trends/batch=N`, so a batch that is
replayed after a crash replaces itself; and since a window's count never decreases, the largest one is the answer.
"""

import json
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from lib.consumer.running import Consumer
from lib.errors import QueryError, SettingError
from lib.query import TrendQuery
from lib.topics import Cluster

# The consumers that this process started, by checkpoint: running a notebook cell again must find its consumer.
STARTED: dict[Path, Consumer] = {}


def read_topic(spark: SparkSession, cluster: Cluster, topic: str, starting: str | dict[int, int]) -> DataFrame:
    """The topic as a stream with Kafka's columns (key, value, topic, partition, offset, timestamp, timestampType).

    `starting` is "earliest", "latest" or {partition: offset}; the offsets in a checkpoint override it.
    """
    first = starting if isinstance(starting, dict) else cluster.offsets(topic, starting)
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", cluster.address)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: first}))
        .load()
    )


def start(
    messages: DataFrame,
    query: TrendQuery,
    output: Path,
    cluster: Cluster,
    topic: str,
    checkpoint: Path | None = None,
    trigger: dict | None = None,
    top: int = 10,
) -> Consumer:
    """Start counting a stream of Kafka messages, and return at once.

    Windows go to `output`/trends as Parquet (window_start, window_end, hashtag, tweets, batch), malformed messages to
    `output`/malformed (partition, offset, timestamp, reason, value, batch), the newest ranking to `output`/latest.json;
    the checkpoint is `output`/checkpoint by default. `trigger` is what writeStream.trigger takes, by default a batch
    every 2 seconds. `messages` come from `topic` of `cluster`. Started again with the same options while it runs, it
    returns the running consumer.

    Raises SettingError for an invalid option, and QueryError where a consumer with other options, or of another
    process, uses the checkpoint, where checkpoint, windows, query and topic do not belong together, or where the output
    cannot be written.
    """
    if top < 1:
        raise SettingError(f"top {top} is below 1", "use 1 or more", option="top", value=top)
    output = output.resolve()
    checkpoint = (checkpoint or output / "checkpoint").resolve()
    options = {"query": query, "output": output, "topic": topic, "top": top}
    options["trigger"] = trigger or {"processingTime": "2 seconds"}
    if known := STARTED.get(checkpoint):
        if known.active and known.options == options:
            return known
        if known.active:
            raise QueryError(
                f"a consumer with other options runs on the checkpoint {checkpoint}",
                "stop it first: its stop(), or the notebook's stop cell",
                running=known.options,
                asked=options,
            )
        known.release()
    STARTED[checkpoint] = Consumer(messages, checkpoint, cluster, **options)
    return STARTED[checkpoint]
