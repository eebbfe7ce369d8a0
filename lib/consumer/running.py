"""Two running queries on one topic: one counts, one writes the malformed messages; to wait for and to stop."""

import json
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql.streaming import StreamingQuery

from lib import trends
from lib.consumer import batches
from lib.consumer.checkpoint import claim, read_offset_log
from lib.consumer.failure import failure, first_line_with
from lib.consumer.progress import Progress
from lib.errors import QueryError
from lib.spark_session import log_of
from lib.topics import Cluster
from lib.wait import wait_until

STATUS_SECONDS = 2  # how long a status may wait for the broker


class StopRequested(Exception):
    """Raised in the sink, so that the query ends before a batch instead of within it."""


class Consumer:
    """A trend query that runs; `start` makes one. Use `with`, or end it by `stop()` or `close()`.

    `counting` writes the windows, `rejecting` the malformed messages; `progress` has the newest counts and the totals;
    `beginning` is {partition: offset} of the topic's end at the start.
    """

    def __init__(self, messages: DataFrame, checkpoint: Path, cluster: Cluster, **options: object) -> None:
        self.options = options  # query, output, topic, top, trigger: as `start` takes them
        self.query, self.output, self.topic = options["query"], options["output"], options["topic"]
        self.spark = messages.sparkSession
        self.log = log_of(self.spark)
        self.cluster = Cluster(cluster.address, STATUS_SECONDS)
        self.beginning = cluster.offsets(self.topic)
        name, latest = f"trends, to {self.output}", self.output / "latest.json"
        self.progress = Progress(name, options["top"], self.query, publish_to=latest)
        self._stopping, self._stopped_itself = threading.Event(), False
        self._lock = claim(checkpoint, self.output, self.query, self.topic, cluster)
        self.queries: list[StreamingQuery] = []
        try:
            self._start(messages, checkpoint)
        except Exception as error:
            for started in self.queries:
                started.stop()
            self.release()
            if isinstance(error, (PySparkException, Py4JJavaError)):
                raise QueryError(
                    f"Spark refused the query: {first_line_with('', str(error))}",
                    "the trigger is what writeStream.trigger takes, such as {'processingTime': '2 seconds'}",
                ) from None
            raise
        self.counting, self.rejecting = self.queries

    def _start(self, messages: DataFrame, checkpoint: Path) -> None:
        self.spark.streams.addListener(self.progress)
        if done := read_offset_log(checkpoint):  # a restart: the windows counted before exist already
            self.progress.offsets = done[-1].ends
            self.progress.add_windows(trends.largest_on_record(self.spark.read.parquet(str(self.output / "trends"))))
        malformed = messages.transform(trends.parse).transform(trends.keep_malformed)
        self._run(self.progress.query_name, trends.trending(messages, self.query), checkpoint, self._write_windows)
        self._run(f"malformed, to {self.output}", malformed, checkpoint / "malformed", self._write_malformed)

    def _run(self, name: str, rows: DataFrame, checkpoint: Path, write) -> None:
        writer = rows.writeStream.queryName(name).trigger(**self.options["trigger"]).outputMode("update")
        self.queries.append(writer.option("checkpointLocation", str(checkpoint)).foreachBatch(write).start())

    def _write_windows(self, batch: DataFrame, number: int) -> None:
        if self._stopping.is_set():  # under load the next batch begins at once: end here, before it writes anything
            self._stopped_itself = True
            raise StopRequested
        batch = batch.repartition(1).persist()
        batches.write(batch, self.output / "trends", number, trends.largest_on_record)
        self.progress.add_windows(batch)
        batch.unpersist()

    def _write_malformed(self, batch: DataFrame, number: int) -> None:
        batch = batch.coalesce(1).persist()
        if not batch.isEmpty():
            place = ["partition", "offset"]
            batches.write(batch, self.output / "malformed", number, lambda rows: rows.dropDuplicates(place))
        batch.unpersist()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def active(self) -> bool:
        """Whether both queries run; False also where one has ended by itself."""
        return all(query.isActive for query in self.queries)

    @property
    def unfinished(self) -> bool:
        """Whether more is to come: no query has failed, and not all have ended."""
        return self.error() is None and any(query.isActive for query in self.queries)

    def wait_for(self, offsets: dict[int, int], seconds: float) -> None:
        """Return when every message before `offsets` is counted; QueryError if that fails or takes over `seconds`."""

        def reached() -> bool:
            return all(self.progress.offsets.get(p, 0) >= offset for p, offset in offsets.items() if offset)

        began = time.monotonic()
        with suppress(TimeoutError):
            wait_until(lambda: reached() or not self.active, seconds)
        self.raise_error()
        if not reached():
            lag = sum(offsets.values()) - sum(self.progress.offsets.values())
            state = "still has" if self.active else "was stopped with"
            raise QueryError(
                f"after {time.monotonic() - began:.1f} s the query {state} a lag of {lag} messages",
                f"give it more time, or start it again; see {self.log}",
                lag=lag,
            )

    def end(self) -> None:
        """End both queries, the counting one between two batches, and wait for Spark's last report."""
        self._stopping.set()
        with suppress(TimeoutError):  # then the batch is cut off, and replayed from the checkpoint
            wait_until(lambda: not (self.counting.isActive and self.counting.status["isTriggerActive"]), 30)
        try:
            self._finish_rejecting()
            for query in self.queries:
                query.stop()
        finally:
            reported = self.progress.terminated.wait(30)
            self.release()
        if not reported:
            raise QueryError(
                "Spark did not report the query's end within 30 s: the totals are incomplete, the windows are not",
                f"see {self.log}",
            )

    close = end

    def release(self) -> None:
        """Let go of Spark's listener, the lock and the connection. Safe to call twice."""
        self.spark.streams.removeListener(self.progress)
        self._lock.release()
        self.cluster.close()

    def _finish_rejecting(self) -> None:
        """Wait until the malformed messages among those counted are written, or 15 s have passed."""

        def finished() -> bool:
            last = self.rejecting.lastProgress
            ends = json.loads(last.sources[0].endOffset or "{}").get(self.topic, {}) if last else {}
            return all(ends.get(str(p), 0) >= offset for p, offset in self.progress.offsets.items())

        with suppress(TimeoutError):
            wait_until(lambda: finished() or not self.rejecting.isActive, 15)

    def stop(self) -> dict[str, int]:
        """End both queries and return the totals, messages by verdict; QueryError if one failed. Safe to call twice."""
        self.end()
        self.raise_error()
        return self.progress.totals

    def finish(self, seconds: float | None = None) -> dict[str, int]:
        """Wait until both queries have ended by themselves, as with availableNow, and return the totals.

        QueryError where one failed, or where they still ran after `seconds`; they are ended then.
        """
        try:
            wait_until(lambda: not any(query.isActive for query in self.queries), seconds or 1e9)
        except TimeoutError:
            self.stop()
            raise QueryError(
                f"the query had not finished after {seconds:g} s",
                "give it more time; started again, it continues where it was",
                seconds=seconds,
            ) from None
        return self.stop()

    def error(self) -> QueryError | None:
        """What went wrong, if one of the queries has failed."""
        failed = (query for query in self.queries if not (query is self.queries[0] and self._stopped_itself))
        return next(filter(None, (failure(query, self.log) for query in failed)), None)

    def raise_error(self) -> None:
        """QueryError where one of the queries has failed."""
        if error := self.error():
            raise error
