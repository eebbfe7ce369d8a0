"""Structured Streaming application: windowed hashtag counts from a Kafka topic into a database, and their progress."""

import json
import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from lib.consumer.running import Consumer
from lib.consumer.store import Store
from lib.errors import QueryError, require
from lib.query import TrendQuery
from lib.topics import Cluster

SENDERS_CLOCK = (
    "note: the timestamps of {topic} are the senders' clocks: a sender whose clock is fast can make the tweets of all "
    "others late. To take the broker's clock: python -m lib.topics alter {topic} message.timestamp.type=LogAppendTime"
)
# The consumers that this process started, by checkpoint: running a notebook cell again must find its consumer.
STARTED: dict[Path, Consumer] = {}


def read_topic(
    spark: SparkSession, cluster: Cluster, topic: str, starting: str | dict[int, int], at_most: int = 200_000
) -> DataFrame:
    """The topic as a stream with Kafka's columns (key, value, topic, partition, offset, timestamp, timestampType).

    `starting` is "earliest", "latest" or {partition: offset}; the offsets in a checkpoint override it. A micro-batch
    takes at most `at_most` messages, so that a backlog of any size fits into memory. Messages of aborted transactions
    are left out. TopicError if the topic does not exist.
    """
    cluster.wait_for_topic(topic)
    first = starting if isinstance(starting, dict) else cluster.offsets(topic, starting)
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", cluster.address)
        .options(**cluster.security.spark())
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: first}))
        .option("maxOffsetsPerTrigger", at_most)
        .option("kafka.isolation.level", "read_committed")
        .option("kafka.max.poll.records", 10_000)  # 500 by default: reading takes twice as long
        # At the end of the topic a fetch waits for more: 500 ms by default. Spark's next question waits behind it.
        .option("kafka.fetch.max.wait.ms", 50)
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
    store: Path | str | None = None,
) -> Consumer:
    """Start counting a stream of Kafka messages, and return at once.

    Windows, batches and dead letters go to the database `store`, a path or a URL (see `lib.consumer.store`), by default
    `output`/trends.db; the checkpoint is `output`/checkpoint by default. `trigger` is what writeStream.trigger takes,
    by default a batch every 2 seconds. `messages` come from `topic` of `cluster`. Called again with the same options
    while it runs, it returns the running consumer. Where Kafka's timestamps are the senders' clocks, it prints a note
    to standard error.

    Raises SettingError for an invalid option, and QueryError if another consumer uses the database or the
    checkpoint, if database, checkpoint, query and topic do not belong together, or if the database or the output
    cannot be written.
    """
    require(top >= 1, "top", top, "use 1 or more")
    output = output.resolve()
    checkpoint = (checkpoint or output / "checkpoint").resolve()
    trigger = trigger or {"processingTime": "2 seconds"}
    opened = Store(store) if store else Store.in_folder(output)
    options = {"query": query, "output": output, "topic": topic, "trigger": trigger, "top": top, "store": str(opened)}
    if running := running_on(checkpoint, options):
        return running
    if cluster.configuration(topic, "message.timestamp.type") != "LogAppendTime":
        print(SENDERS_CLOCK.format(topic=topic), file=sys.stderr)
    STARTED[checkpoint] = Consumer(messages, opened, checkpoint, cluster, **options)
    return STARTED[checkpoint]


def running_on(checkpoint: Path, options: dict) -> Consumer | None:
    """The consumer of this process that runs on a checkpoint; QueryError if it runs with other options."""
    known = STARTED.get(checkpoint)
    if not known:
        return None
    if not known.active:
        known.release()
        return None
    if known.options == options:
        return known
    raise QueryError(
        f"a consumer with other options runs on the checkpoint {checkpoint}",
        "stop it first: call its stop(), or run the notebook's stop cell",
        running=known.options, asked=options,
    )  # fmt: skip
