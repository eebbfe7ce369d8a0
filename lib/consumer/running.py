"""Class Consumer: the two streaming queries on a topic (window counts, dead letters); wait for them, stop them."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQuery

from lib import trends
from lib.consumer.checkpoint import identity, limits
from lib.consumer.claim import Claim
from lib.consumer.failure import failure, first_line_with
from lib.consumer.progress import Progress
from lib.consumer.store import Store
from lib.errors import CourseError, QueryError
from lib.spark_session import CONNECTION_LOST, died, log_of
from lib.topics import Cluster
from lib.wait import wait_until

STATUS_SECONDS = 2  # how long a status may wait for the broker
# How long the end waits for Spark's last report. pyspark asks Java for each number of each report, in hundreds of
# calls: with two consumers on a busy machine it was 25 s behind.
REPORT_SECONDS = 90
DEAD_LETTERS_EVERY = {"processingTime": "5 seconds"}


class StopRequested(Exception):
    """Raised in the sink, so that the query ends before a batch instead of within it."""


class Consumer:
    """A trend query that runs; `start` makes one. Use `with`, or end it by `stop()` or `close()`.

    `store` has the counts, the totals, the ranking and the dead letters; `progress` has Spark's reports.
    """

    def __init__(
        self, messages: DataFrame, store: Store, checkpoint: Path, cluster: Cluster, /, **options: object
    ) -> None:
        self.options = options  # query, output, topic, top, trigger, as `start` takes them, and the store's name
        self.query, self.output = options["query"], options["output"]
        self.topic, self.top = options["topic"], options["top"]
        self.spark, self.checkpoint = messages.sparkSession, checkpoint
        self.log = log_of(self.spark)
        self.cluster = Cluster(cluster.address, STATUS_SECONDS, cluster.security)
        self.store, self._refused = store, None  # the error that a write has raised
        self._claim = Claim(store, self.output, checkpoint, self.query, self.topic, cluster)
        self.progress = Progress(f"trends, to {self.output}", self.store)
        self._stopping, self._stopped_itself = threading.Event(), False
        self.queries: list[StreamingQuery] = []
        try:
            self._start(messages)
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
        self.counting = self.queries[0]

    def _start(self, messages: DataFrame) -> None:
        self.spark.streams.addListener(self.progress)
        trigger = self.options["trigger"]
        # Times as numbers: collect() would convert a timestamp to this machine's time zone.
        counts = trends.trending(messages, self.query.panes).select(F.unix_millis("window_start"), "hashtag", "tweets")
        dead_letters = messages.transform(trends.dead_letters)
        self._dead_letters = dead_letters.withColumn("timestamp", F.unix_millis("timestamp"))
        self._run(self.progress.query_name, counts, self.checkpoint, self._write_counts, trigger)
        if "availableNow" in trigger:
            self._collect_dead_letters(trigger)

    def _collect_dead_letters(self, trigger: dict) -> None:
        folder = self.checkpoint / "dead_letters"
        self._run(f"dead letters, to {self.output}", self._dead_letters, folder, self._write_dead_letters, trigger)

    def _run(self, name: str, rows: DataFrame, checkpoint: Path, write, trigger: dict) -> None:
        def sink(batch: DataFrame, number: int) -> None:
            try:
                write(batch, number)
            except CourseError as error:  # Spark would tell its traceback instead of its remedy
                self._refused = error
                raise

        writer = rows.writeStream.queryName(name).trigger(**trigger).outputMode("update")
        self.queries.append(writer.option("checkpointLocation", str(checkpoint)).foreachBatch(sink).start())

    def _write_counts(self, batch: DataFrame, number: int) -> None:
        if self._stopping.is_set():  # under load the next batch begins at once: end here, before it writes anything
            self._stopped_itself = True
            raise StopRequested
        run = {"checkpoint_id": identity(self.checkpoint)}
        self.store.write(number, limits(self.checkpoint, number), batch.collect(), run)
        if len(self.queries) == 1:  # only now, so that the first rows do not have to wait for it
            self._collect_dead_letters(DEAD_LETTERS_EVERY)

    def _write_dead_letters(self, batch: DataFrame, number: int) -> None:
        self.store.add_dead_letters([row.asDict() for row in batch.collect()])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def active(self) -> bool:
        """Whether it runs; False also if one of its queries has ended by itself, or Spark has died."""
        return self._ask_spark(lambda: all(query.isActive for query in self.queries))

    @property
    def unfinished(self) -> bool:
        """Whether more is to come: no query has failed, and not all have ended."""
        return self.error() is None and self._ask_spark(lambda: any(query.isActive for query in self.queries))

    def _ask_spark(self, question) -> bool:
        """The answer, or False if Spark's Java process does not answer any more."""
        try:
            return question()
        except CONNECTION_LOST:
            return False

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
        """End the queries, the counting one between two batches, and wait for Spark's last report."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        try:
            reported = self._end_queries()
        except CONNECTION_LOST:  # Spark has died, and the queries with it
            reported = True
        finally:
            self.release()
        if not reported:
            raise QueryError(
                f"Spark did not report the query's end within {REPORT_SECONDS} s: the totals are incomplete, "
                "the windows are not",
                f"see {self.log}",
            )

    close = end

    def _end_queries(self) -> bool:
        with suppress(TimeoutError):  # then the batch is cut off, and replayed from the checkpoint
            wait_until(lambda: not (self.counting.isActive and self.counting.status["isTriggerActive"]), 30)
        for query in self.queries:
            query.stop()
        if "availableNow" not in self.options["trigger"]:  # the dead letters that came since the last trigger
            with suppress(PySparkException):  # the topic is gone, or the disk is full
                self._collect_dead_letters({"availableNow": True})
                self.queries.pop().awaitTermination(30)
        return self.progress.terminated.wait(REPORT_SECONDS)

    def release(self) -> None:
        """Remove Spark's listener, release the locks, close the connections. Safe to call twice."""
        with suppress(*CONNECTION_LOST):
            self.spark.streams.removeListener(self.progress)
        self._claim.release()
        self.store.close()
        self.cluster.close()

    def stop(self) -> dict[str, int]:
        """End both queries and return the totals, messages by verdict; QueryError if one failed. Safe to call twice."""
        self.end()
        self.raise_error()
        return self.store.totals()

    def finish(self, seconds: float | None = None) -> dict[str, int]:
        """Wait until both queries have ended by themselves, as with availableNow, and return the totals.

        QueryError if one failed, or if they still ran after `seconds`; they are ended then.
        """
        try:
            wait_until(lambda: not self.unfinished, seconds or 1e9)
        except TimeoutError:
            self.stop()
            raise QueryError(
                f"the query had not finished after {seconds:g} s",
                "give it more time; started again, it continues where it was",
                seconds=seconds,
            ) from None
        return self.stop()

    def error(self) -> CourseError | None:
        """What went wrong, if one of the queries has failed, or Spark has died."""
        failed = [query for query in self.queries if not (query is self.queries[0] and self._stopped_itself)]
        with suppress(*CONNECTION_LOST):  # a killed process may not answer any more, and not have ended yet
            if not died():
                return self._refused or next(filter(None, (failure(query, self.log) for query in failed)), None)
        return QueryError(
            "Spark's Java process has ended: it was killed, perhaps because memory ran out",
            "start it again, and it continues where it was: in a notebook spark_session(), then consumer.start(); "
            f"in a terminal the same command. See {self.log}",
            log=self.log,
        )

    def raise_error(self) -> None:
        """QueryError if one of the queries has failed."""
        if error := self.error():
            raise error
