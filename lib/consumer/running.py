"""Class Consumer: the streaming query on a topic, whose counts and dead letters it stores; wait for it, stop it."""

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
REPORT_SECONDS = 90  # how long the end waits for Spark's last report, which a thread of its own takes


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
        try:
            self.counting = self._start(messages)
        except Exception as error:
            self.release()
            if isinstance(error, (PySparkException, Py4JJavaError)):
                raise QueryError(
                    f"Spark refused the query: {first_line_with('', str(error))}",
                    "the trigger is what writeStream.trigger takes, such as {'processingTime': '2 seconds'}",
                ) from None
            raise

    def _start(self, messages: DataFrame) -> StreamingQuery:
        self.spark.streams.addListener(self.progress)
        rows = trends.trending_and_dead_letters(messages, self.query.panes)
        # Times as numbers: collect() would convert a timestamp to this machine's time zone.
        letter = F.col("dead_letter").withField("timestamp", F.unix_millis("dead_letter.timestamp"))
        rows = rows.select(F.unix_millis("window_start"), "hashtag", "tweets", letter.alias("dead_letter"))
        writer = rows.writeStream.queryName(self.progress.query_name).outputMode("update")
        writer = writer.option("checkpointLocation", str(self.checkpoint)).trigger(**self.options["trigger"])
        return writer.foreachBatch(self._write).start()

    def _write(self, batch: DataFrame, number: int) -> None:
        if self._stopping.is_set():  # under load the next batch begins at once: end here, before it writes anything
            self._stopped_itself = True
            raise StopRequested
        try:
            rows, run = batch.collect(), {"checkpoint_id": identity(self.checkpoint)}
            counts = [row[:3] for row in rows if not row.dead_letter]
            letters = [letter.asDict() for letter in sorted(row.dead_letter for row in rows if row.dead_letter)]
            self.store.write(number, limits(self.checkpoint, number), counts, run, letters)
        except CourseError as error:  # Spark would tell its traceback instead of its remedy
            self._refused = error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def active(self) -> bool:
        """Whether it runs; False also if its query has ended by itself, or Spark has died."""
        try:
            return self.counting.isActive
        except CONNECTION_LOST:
            return False

    @property
    def unfinished(self) -> bool:
        """Whether more is to come: the query has neither failed nor ended."""
        return self.error() is None and self.active

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
        """End the query between two batches, and wait for Spark's last report."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        try:
            reported = self._end_query()
        except CONNECTION_LOST:  # Spark has died, and the query with it
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

    def _end_query(self) -> bool:
        with suppress(TimeoutError):  # then the batch is cut off, and replayed from the checkpoint
            wait_until(lambda: not (self.counting.isActive and self.counting.status["isTriggerActive"]), 30)
        self.counting.stop()
        return self.progress.terminated.wait(REPORT_SECONDS)

    def release(self) -> None:
        """Remove Spark's listener, release the locks, close the connections. Safe to call twice."""
        with suppress(*CONNECTION_LOST):
            self.spark.streams.removeListener(self.progress)
        self._claim.release()
        self.store.close()
        self.cluster.close()

    def stop(self) -> dict[str, int]:
        """End the query and return the totals, messages by verdict; QueryError if it failed. Safe to call twice."""
        self.end()
        self.raise_error()
        return self.store.totals()

    def finish(self, seconds: float | None = None) -> dict[str, int]:
        """Wait until the query has ended by itself, as with availableNow, and return the totals.

        QueryError if it failed, or if it still ran after `seconds`; it is ended then.
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
        """What went wrong, if the query has failed, or Spark has died."""
        with suppress(*CONNECTION_LOST):  # a killed process may not answer any more, and not have ended yet
            if not died():
                return self._refused or (None if self._stopped_itself else failure(self.counting, self.log))
        return QueryError(
            "Spark's Java process has ended: it was killed, perhaps because memory ran out",
            "start it again, and it continues where it was: in a notebook spark_session(), then consumer.start(); "
            f"in a terminal the same command. See {self.log}",
            log=self.log,
        )

    def raise_error(self) -> None:
        """QueryError if the query has failed."""
        if error := self.error():
            raise error
