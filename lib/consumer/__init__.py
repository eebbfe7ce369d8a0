"""The tweet's way ends: the Structured Streaming application around `lib.trends`.

`python -m lib.consumer --help`. The same `start` serves the notebooks.

How a count stays right: the one query that counts runs in update mode and overwrites `trends/batch=N`, so a batch
that is replayed after a crash replaces itself; and since a window's count never shrinks, the largest on record is the
answer.
"""

import argparse
import json
import re
import signal
import threading
from pathlib import Path

import pandas as pd
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

from lib import topics, trends
from lib.consumer import batches
from lib.consumer.checkpoint import claim
from lib.consumer.progress import Tally
from lib.consumer.running import ASKED_TO_STOP, Consumer, first_line_with
from lib.consumer.terminal import print_table, show_while
from lib.errors import QueryError, SettingError
from lib.infra.jars import paths
from lib.recount import read_offset_log
from lib.settings import settings
from lib.spark_session import spark_session

_running: dict[Path, Consumer] = {}


def read_topic(spark: SparkSession, topic: str, bootstrap_servers: str, starting: str | dict[int, int]) -> DataFrame:
    """The topic as a stream with Kafka's columns (key, value, topic, partition, offset, timestamp, timestampType).

    `starting` is "earliest", "latest" or {partition: offset}; a checkpoint knows better and overrides it.
    """
    first = starting if isinstance(starting, dict) else topics.offsets(topic, starting, bootstrap_servers)
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", bootstrap_servers)
        .option("subscribe", topic)
        .option("startingOffsets", json.dumps({topic: first}))
        .load()
    )


def start(
    messages: DataFrame,
    output: Path,
    checkpoint: Path | None = None,
    window: str = settings.window,
    slide: str = settings.slide,
    watermark: str = settings.watermark,
    trigger: dict | None = None,
    top: int = settings.top,
    topic: str = settings.topic,
    bootstrap_servers: str = settings.bootstrap_servers,
) -> Consumer:
    """Start counting a stream of Kafka messages, and return at once; what already runs on the checkpoint is returned.

    Windows go to `output`/trends as Parquet (window_start, window_end, hashtag, tweets, batch), malformed messages to
    `output`/malformed (partition, offset, timestamp, reason, value, batch), the newest ranking to `output`/latest.json;
    the checkpoint is `output`/checkpoint by default. `trigger` is what writeStream.trigger takes. `topic` and
    `bootstrap_servers` say where the messages come from. Raises SettingError for a question that makes no sense, and
    QueryError where checkpoint, windows, question and topic do not belong together, where the output cannot be written,
    or where another consumer is at work on it.
    """
    check(window, slide, watermark, top=top)
    spark = messages.sparkSession
    output = output.resolve()
    checkpoint = (checkpoint or output / "checkpoint").resolve()
    if known := _running.get(checkpoint):
        if known.active:
            return known
        known.lock.release()
    beginning = topics.offsets(topic, bootstrap_servers=bootstrap_servers)
    question = {"window": window, "slide": slide, "watermark": watermark}
    name = f"trends, to {output}"
    step, stopping = duration("slide", slide), threading.Event()
    tally = Tally(name, top, step, publish_to=output / "latest.json")

    def write_windows(batch: DataFrame, number: int) -> None:
        if stopping.is_set():  # under load the next batch begins at once: end here, with nothing of it written
            raise RuntimeError(ASKED_TO_STOP)
        batch = batch.repartition(1).persist()
        batches.write(batch, output / "trends", number, trends.largest_on_record)
        tally.add_windows(batch)
        batch.unpersist()

    def write_malformed(batch: DataFrame, number: int) -> None:
        batch = batch.coalesce(1).persist()
        if not batch.isEmpty():
            once = ["partition", "offset"]
            batches.write(batch, output / "malformed", number, lambda rows: rows.dropDuplicates(once))
        batch.unpersist()

    def started(name: str, rows: DataFrame, folder: Path, write) -> StreamingQuery:
        writer = rows.writeStream.queryName(name).trigger(**(trigger or {"processingTime": settings.trigger}))
        return writer.option("checkpointLocation", str(folder)).outputMode("update").foreachBatch(write).start()

    lock = claim(checkpoint, output, question, topic, bootstrap_servers)
    queries = []
    try:
        spark.streams.addListener(tally)
        counts = trends.trending(messages, window, slide, watermark)
        malformed = messages.transform(trends.parse).transform(trends.keep_malformed)
        if done := read_offset_log(checkpoint):  # started again: what was counted before is there already
            tally.offsets = done[-1].ends
            tally.add_windows(trends.largest_on_record(spark.read.parquet(str(output / "trends"))))
        queries.append(started(name, counts, checkpoint, write_windows))
        queries.append(started(f"malformed, to {output}", malformed, checkpoint / "malformed", write_malformed))
    except Exception as error:
        for query in queries:
            query.stop()
        spark.streams.removeListener(tally)
        lock.release()
        if isinstance(error, (PySparkException, Py4JJavaError)):
            raise QueryError(
                f"Spark refused the query: {first_line_with('', str(error))}",
                "the trigger is what writeStream.trigger takes, such as {'processingTime': '2 seconds'}",
            ) from None
        raise
    _running[checkpoint] = Consumer(spark, *queries, tally, stopping, lock, topic, bootstrap_servers, beginning)
    return _running[checkpoint]


def check(window: str, slide: str, watermark: str, trigger: str = settings.trigger, top: int = settings.top) -> None:
    """SettingError for a question that makes no sense: said by us, in a line, and before Spark has started."""
    if duration("slide", slide) > duration("window", window):
        raise SettingError(f"slide {slide!r} is above window {window!r}", "give a slide that is not")
    for name, text in {"watermark": watermark, "trigger": trigger}.items():
        duration(name, text, least=0)
    if top < 1:
        raise SettingError(f"top {top} is below 1", "give 1 or more")


def duration(name: str, text: str, least: int = 1) -> pd.Timedelta:
    """The length of a duration in Spark's words, such as "30 seconds"; SettingError where it is none, or too short."""
    if re.fullmatch(r"(\d+ (millisecond|second|minute|hour|day)s?\s*)+", text):  # pandas takes "1min", Spark does not
        length = pd.Timedelta(text)
        if length >= pd.Timedelta(milliseconds=least):
            return length
    raise SettingError(f"{name} {text!r} is not a duration", "give one like '30 seconds' or '1 minute'")


def main() -> None:
    options = parse_options()
    topics.require_broker(options.bootstrap_servers)
    spark = spark_session("trending topics", options.master, for_hours=not options.available_now)
    trigger = {"availableNow": True} if options.available_now else {"processingTime": options.trigger}
    consumer = start(
        read_topic(spark, options.topic, options.bootstrap_servers, options.starting_offsets),
        options.output, options.checkpoint, options.window, options.slide, options.watermark, trigger, options.top,
        options.topic, options.bootstrap_servers,
    )  # fmt: skip
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    show_while(lambda: consumer.going_on and not asked_to_stop.is_set(), consumer)
    ended_by_itself = options.available_now and not asked_to_stop.is_set()
    totals = consumer.finish() if ended_by_itself else consumer.stop()
    spark.stop()
    print_table(consumer.tally)
    print(json.dumps(totals), flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lib.consumer",
        description="Trending topics from Kafka, by Spark Structured Streaming.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="On a cluster, or wherever Spark is started by spark-submit:\n  spark-submit --jars "
        + ",".join(map(str, paths("connector"))) + f" {Path(__file__).with_name('__main__.py')} --output DIR",
    )  # fmt: skip
    option = parser.add_argument
    option("--topic", default=settings.topic)
    option("--bootstrap-servers", default=settings.bootstrap_servers)
    option(
        "--starting-offsets", choices=("earliest", "latest"), default="earliest", help="where a new checkpoint begins"
    )
    option("--master", default=settings.spark_master)
    option(
        "--output",
        type=Path,
        default=settings.build_dir / "consumer",
        metavar="DIR",
        help="windows to DIR/trends, malformed messages to DIR/malformed",
    )
    option("--checkpoint", type=Path, metavar="DIR", help="default: the output's folder checkpoint")
    option("--window", default=settings.window, help="length of a window (default: %(default)s)")
    option("--slide", default=settings.slide, help="a new window every so often (default: %(default)s)")
    option("--watermark", default=settings.watermark, help="how late a tweet may be (default: %(default)s)")
    option("--top", type=int, default=settings.top, help="how many hashtags to show (default: %(default)s)")
    option("--trigger", default=settings.trigger, help="a micro-batch every so often (default: %(default)s)")
    option("--available-now", action="store_true", help="count what is there at the start, and end")
    options = parser.parse_args()
    check(options.window, options.slide, options.watermark, options.trigger, options.top)
    return options


if __name__ == "__main__":
    main()
