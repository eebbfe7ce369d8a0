"""StreamingQueryListener: writes Spark's report of each micro-batch to the store, and keeps the recent ones."""

import json
import threading
import time
from dataclasses import dataclass

from pyspark import SparkContext
from pyspark.sql.streaming import StreamingQueryListener
from pyspark.sql.streaming.listener import JStreamingQueryListener

from lib.consumer.store import Store

RECENT_BATCHES = 30  # a minute at the default trigger of 2 s


@dataclass(frozen=True)
class BatchReport:
    """What Spark reports of a micro-batch: when it ended (seconds since 1970), its duration (seconds), its input rate
    (messages per second), the rows of state (0 if it does not count them: see `spark_session`), the watermark's time of
    day, the messages that waited in the topic when it began, and how many of those that it took were what."""

    number: int
    ended: float
    seconds: float
    per_second: float
    state_rows: int
    watermark: str
    waiting: int
    verdicts: dict[str, int]

    @property
    def age(self) -> float:
        """The seconds since it ended."""
        return time.time() - self.ended


class Reports(JStreamingQueryListener):
    """What Java calls for each event. It takes the report of a micro-batch as one text, in JSON. pyspark asks for each
    number of it, in hundreds of calls: on two cores that makes a micro-batch of 0.4 s a fifth slower.

    Private in pyspark (tried with 4.2.0).
    """

    def onQueryProgress(self, jevent) -> None:
        self.pylistener.onQueryProgress(json.loads(jevent.progress().json()))


class Progress(StreamingQueryListener):
    """Spark's reports of a consumer's query. `offsets`: {partition: next offset to read}; `recent`: the newest reports
    of this process, the last one at the end; `terminated` is set when the query has ended."""

    def __init__(self, query_name: str, store: Store) -> None:
        self.query_name, self.store = query_name, store
        self.offsets = {p: offset for batch in store.batches(last=1) for p, offset in batch.ends.items()}
        self.recent: tuple[BatchReport, ...] = ()  # replaced, never changed: other threads read it
        self.terminated = threading.Event()
        self._run_id = None
        java = SparkContext._jvm.org.apache.spark.sql.streaming
        self._jlistenerobj = java.PythonStreamingQueryListenerWrapper(Reports(self))

    @property
    def last(self) -> BatchReport | None:
        """The newest report of this process; None before the first."""
        return self.recent[-1] if self.recent else None

    def onQueryStarted(self, event) -> None:
        # Spark reports this before start() returns, so the first batch is not missed either.
        if event.name == self.query_name:
            self._run_id = str(event.runId)

    def onQueryIdle(self, event) -> None: ...

    def onQueryProgress(self, progress: dict) -> None:
        """`progress` is StreamingQueryProgress in JSON."""
        # Idle reports repeat the last batch's duplicates; only a batch that ran has observed metrics.
        metrics = progress.get("observedMetrics", {})
        if progress["runId"] != self._run_id or "arrived" not in metrics:
            return
        arrived, kept = metrics["arrived"], metrics["kept"]
        dedupe = next(op for op in progress["stateOperators"] if op["operatorName"] == "dedupe")
        verdicts = {
            "received": arrived["received"],
            "counted": kept["counted"],
            "duplicates": dedupe["customMetrics"]["numDroppedDuplicateRows"],
            "late": dedupe["numRowsDroppedByWatermark"],
            "malformed": arrived["malformed"],
        }
        (source,) = progress["sources"]
        offsets = by_partition(source["endOffset"])
        begin, latest = (sum(by_partition(source[name]).values()) for name in ("startOffset", "latestOffset"))
        end = sum(offsets.values())
        right = add_up(verdicts, most=end - begin)
        self.store.report(progress["batchId"], arrived["newest_ms"], verdicts if right else {})
        report = BatchReport(
            number=progress["batchId"],
            ended=time.time(),
            seconds=progress["durationMs"]["triggerExecution"] / 1000,
            per_second=progress.get("inputRowsPerSecond", 0),  # missing where a division by zero would be
            state_rows=sum(op["numRowsTotal"] for op in progress["stateOperators"]),
            watermark=progress["eventTime"].get("watermark", "")[11:19] or "-",  # of an ISO 8601 time
            waiting=verdicts["received"] + latest - end,
            verdicts=verdicts,
        )
        self.recent = (*self.recent, report)[-RECENT_BATCHES:]
        self.offsets = offsets  # at last: who waits for them reads the report then

    def onQueryTerminated(self, event) -> None:
        if str(event.runId) == self._run_id:
            self.terminated.set()


def add_up(verdicts: dict[str, int], most: int) -> bool:
    """Whether each message received has one verdict, and they are not more than the batch has offsets.

    A lost worker takes the results of its tasks with it. Spark repeats these tasks, or all of them, and adds their
    numbers once more to those that it observes (tried with 4.2.0). The windows are not affected.
    """
    received = verdicts["received"]
    return received == sum(verdicts.values()) - received and received <= most


def by_partition(offsets: dict | None) -> dict[int, int]:
    """{partition: offset} of what Spark's Kafka source reports: {topic: {partition: offset}}; None before its first
    micro-batch."""
    topics = offsets or {}
    return {int(partition): offset for topic in topics.values() for partition, offset in topic.items()}
