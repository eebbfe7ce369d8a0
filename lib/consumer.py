"""The tweet's way ends: the Structured Streaming application around `lib.trends`.

`python -m lib.consumer --help`. The same `start` serves the notebooks.

How a count stays right: the one query that counts runs in update mode and overwrites `trends/batch=N`, so a batch
that is replayed after a crash replaces itself; and since a window's count never shrinks, the largest on record is the
answer.
"""

import argparse
import json
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

from lib import topics, trends
from lib.deadline import wait_until
from lib.errors import QueryError
from lib.jars import jars
from lib.settings import settings
from lib.tally import COLUMNS, Tally

ASKED_TO_STOP = "asked to stop before this batch"


@dataclass(frozen=True)
class Consumer:
    """Two running queries on one topic: `counting` writes the windows, `aside` keeps the malformed messages."""

    spark: SparkSession
    counting: StreamingQuery
    aside: StreamingQuery
    tally: Tally
    stopping: threading.Event

    @property
    def active(self) -> bool:
        """Whether both queries still run; False also when they have ended by themselves."""
        return self.counting.isActive and self.aside.isActive

    def wait_for(self, offsets: dict[int, int], seconds: float) -> None:
        """Return when every message before `offsets` is counted; QueryError if that fails or takes over `seconds`."""

        def reached() -> bool:
            return all(self.tally.offsets.get(p, 0) >= offset for p, offset in offsets.items() if offset)

        try:
            wait_until(lambda: reached() or not self.active, seconds)
        except TimeoutError:
            behind = sum(offsets.values()) - sum(self.tally.offsets.values())
            raise QueryError(
                f"after {seconds:g} s the query is still {behind} messages behind",
                f"give it more time, or see {settings.build_dir / 'logs' / 'spark.log'}",
            ) from None
        self.raise_error()

    def stop(self) -> dict[str, int]:
        """End both queries, the counting one between two batches, and return the totals. Safe to call twice."""
        self.stopping.set()
        with suppress(TimeoutError):  # then the batch is cut off, and comes again from the checkpoint
            wait_until(lambda: not (self.counting.isActive and self.counting.status["isTriggerActive"]), 30)
        self.counting.stop()
        self.aside.stop()
        return self.finish()

    def finish(self) -> dict[str, int]:
        """Wait until Spark has reported the last batch, and return the totals; QueryError if a query had failed."""
        self.tally.terminated.wait(30)
        self.spark.streams.removeListener(self.tally)
        self.raise_error()
        return self.tally.totals

    def raise_error(self) -> None:
        """QueryError where one of the queries ended by a failure."""
        for query in (self.counting, self.aside):
            error = query.exception()
            if error and ASKED_TO_STOP not in str(error):
                first = str(error).strip().splitlines()[0]
                raise QueryError(
                    f"the streaming query failed: {first}",
                    f"see {settings.build_dir / 'logs' / 'spark.log'}; started again with the same checkpoint, "
                    "it goes on where it was",
                )


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
) -> Consumer:
    """Start counting a stream of Kafka messages, and return at once; what already runs on the checkpoint is returned.

    Windows go to `output`/trends as Parquet (window_start, window_end, hashtag, tweets, batch), malformed messages to
    `output`/malformed, the newest ranking to `output`/latest.json; the checkpoint is `output`/checkpoint by default.
    `trigger` is what writeStream.trigger takes. Raises QueryError for a new checkpoint beside old trends.
    """
    spark = messages.sparkSession
    checkpoint = (checkpoint or output / "checkpoint").resolve()
    written = output / "trends"
    if checkpoint in _running and _running[checkpoint].active:
        return _running[checkpoint]
    refuse_mixed(written, checkpoint)
    written.mkdir(parents=True, exist_ok=True)
    tally = Tally(top, publish_to=output / "latest.json")
    if any(written.glob("batch=*/*.parquet")):  # started again: the newest windows are those written before
        known = trends.largest_on_record(spark.read.parquet(str(written)))
        tally.add_windows(known.select(*COLUMNS).collect())
    spark.streams.addListener(tally)

    stopping = threading.Event()

    def write_batch(batch: DataFrame, number: int) -> None:
        if stopping.is_set():  # under load the next batch begins at once: end here, with nothing of it written
            raise RuntimeError(ASKED_TO_STOP)
        batch = batch.repartition(1).persist()
        batch.write.mode("overwrite").parquet(str(written / f"batch={number}"))
        tally.add_windows(batch.collect())
        batch.unpersist()

    trigger = trigger or {"processingTime": settings.trigger}
    aside = (
        messages.transform(trends.parse).transform(trends.keep_malformed)
        .writeStream.queryName(f"malformed, to {output}").trigger(**trigger)
        .option("checkpointLocation", str(checkpoint / "malformed"))
        .format("parquet").option("path", str(output / "malformed")).start()
    )  # fmt: skip
    counting = (
        trends.trending(messages, window, slide, watermark)
        .writeStream.queryName(f"trends, to {output}").trigger(**trigger)
        .option("checkpointLocation", str(checkpoint))
        .outputMode("update").foreachBatch(write_batch).start()
    )  # fmt: skip
    tally.query_id = str(counting.id)
    _running[checkpoint] = Consumer(spark, counting, aside, tally, stopping)
    return _running[checkpoint]


def refuse_mixed(written: Path, checkpoint: Path) -> None:
    """QueryError where trends are there that this checkpoint knows nothing of: the two would be mixed."""
    if any(written.glob("batch=*")) and not (checkpoint / "offsets").exists():
        raise QueryError(
            f"{written} holds the windows of an earlier run, but {checkpoint} is new and knows nothing of them",
            f"use that run's checkpoint, give another --output, or remove the old run: rm -r {written.parent}",
        )


def main() -> None:
    options = parse_options()
    from lib.spark_session import spark_session
    from lib.terminal import print_table, show_while

    topics.require_broker(options.bootstrap_servers)
    spark = spark_session("trending topics", options.master, for_hours=not options.available_now)
    trigger = {"availableNow": True} if options.available_now else {"processingTime": options.trigger}
    consumer = start(
        read_topic(spark, options.topic, options.bootstrap_servers, options.starting_offsets),
        options.output, options.checkpoint, options.window, options.slide, options.watermark, trigger, options.top,
    )  # fmt: skip
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    show_while(lambda: consumer.counting.isActive and not asked_to_stop.is_set(), consumer.tally)
    if options.available_now and not asked_to_stop.is_set():
        consumer.aside.awaitTermination()
        totals = consumer.finish()
    else:
        totals = consumer.stop()
    spark.stop()
    print_table(consumer.tally)
    print(json.dumps(totals), flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lib.consumer",
        description="Trending topics from Kafka, by Spark Structured Streaming.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="On a cluster, or wherever Spark is started by spark-submit:\n  spark-submit --jars "
        + ",".join(map(str, jars("connector"))) + f" {Path(__file__)} --output DIR",
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
    return parser.parse_args()


if __name__ == "__main__":
    main()
