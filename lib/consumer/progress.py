"""Progress of a running query, from Spark's listener: totals, newest windows, last batch.

The sink adds the window counts, Spark's listener the numbers of each batch; the live table, the terminal and the JSON
line read them here, never from the growing Parquet folder.
"""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQueryListener

from lib.query import TrendQuery
from lib.ranking import ranking

WINDOWS_KEPT = 40
COLUMNS = ["window_start", "window_end", "hashtag", "tweets"]


@dataclass(frozen=True)
class Batch:
    """A committed micro-batch: when it ended (seconds since 1970), its duration (seconds), its input rate (messages per
    second), the rows of state, the watermark (ISO 8601), and its newest Kafka timestamp (ms)."""

    number: int
    ended: float
    seconds: float
    per_second: float
    state_rows: int
    watermark: str
    sent_ms: int


class Progress(StreamingQueryListener):
    """Totals of the batches that this process committed, and the newest windows.

    `totals`: {received, counted, duplicates, late, malformed}, in messages; received is the sum of the other four.
    `newest`: the newest event time seen, or None. `offsets`: {partition: next offset to read}. `last`: the last Batch.
    """

    def __init__(self, query_name: str, top: int, query: TrendQuery, publish_to: Path) -> None:
        self.totals = dict.fromkeys(("received", "counted", "duplicates", "late", "malformed"), 0)
        self.newest: pd.Timestamp | None = None
        self.offsets: dict[int, int] = {}
        self.last: Batch | None = None
        self.terminated = threading.Event()
        self.query_name, self.top, self.publish_to = query_name, top, publish_to
        self.slide = pd.Timedelta(query.slide_ms, unit="ms")
        self._run_id = None
        self._counts: dict[tuple, int] = {}
        self._lock = threading.Lock()

    def add_windows(self, counts: DataFrame) -> None:
        """Add counts (window_start, window_end, hashtag, tweets); windows older than the newest 40 are dropped."""
        # As numbers: collect() would convert a timestamp to this machine's time zone.
        in_ms = counts.select(F.unix_millis("window_start"), F.unix_millis("window_end"), "hashtag", "tweets")
        with self._lock:
            for start, end, hashtag, tweets in in_ms.collect():
                key = (pd.Timestamp(start, unit="ms"), pd.Timestamp(end, unit="ms"), hashtag)
                self._counts[key] = max(tweets, self._counts.get(key, 0))
            kept = sorted({start for start, _, _ in self._counts})[-WINDOWS_KEPT:]
            if kept:
                self._counts = {key: tweets for key, tweets in self._counts.items() if key[0] >= kept[0]}

    def ranking(self) -> pd.DataFrame:
        """The trending topics now, as `lib.trends.ranking` gives them; empty before the first complete window."""
        with self._lock:
            counts = pd.DataFrame([(*key, tweets) for key, tweets in self._counts.items()], columns=COLUMNS)
        return ranking(counts, self.newest or pd.Timestamp.min, self.top, self.slide)

    def onQueryStarted(self, event) -> None:
        # Spark reports this before start() returns, so the first batch is not missed either.
        if event.name == self.query_name:
            self._run_id = event.runId

    def onQueryIdle(self, event) -> None: ...

    def onQueryProgress(self, event) -> None:
        progress = event.progress
        # Idle reports repeat the last batch's duplicates; only a batch that ran has observed metrics.
        if progress.runId != self._run_id or "arrived" not in progress.observedMetrics:
            return
        arrived, kept = progress.observedMetrics["arrived"], progress.observedMetrics["kept"]
        dedupe = next(op for op in progress.stateOperators if op.operatorName == "dedupeWithinWatermark")
        batch = {
            "received": arrived["received"],
            "counted": kept["counted"],
            "duplicates": dedupe.customMetrics["numDroppedDuplicateRows"],
            "late": dedupe.numRowsDroppedByWatermark,
            "malformed": arrived["malformed"],
        }
        self.totals = {name: self.totals[name] + int(number) for name, number in batch.items()}
        if arrived["newest_ms"] is not None:
            newest = pd.Timestamp(arrived["newest_ms"], unit="ms")
            self.newest = max(newest, self.newest or newest)
        ends = json.loads(progress.sources[0].endOffset)
        self.offsets = {int(partition): offset for topic in ends.values() for partition, offset in topic.items()}
        self.last = Batch(
            number=progress.batchId,
            ended=time.time(),
            seconds=progress.durationMs["triggerExecution"] / 1000,
            per_second=progress.inputRowsPerSecond,
            state_rows=sum(op.numRowsTotal for op in progress.stateOperators),
            watermark=progress.eventTime.get("watermark", ""),
            sent_ms=arrived["sent_ms"] or 0,
        )
        self.publish()

    def onQueryTerminated(self, event) -> None:
        if event.runId == self._run_id:
            self.terminated.set()

    def publish(self) -> None:
        """Write the ranking and the totals to a JSON file, for a terminal in another process."""
        ranked = self.ranking()
        message = {"totals": self.totals, "ranking": json.loads(ranked.to_json(orient="records", date_format="iso"))}
        draft = self.publish_to.with_suffix(".draft")
        draft.write_text(json.dumps(message, ensure_ascii=False), encoding="utf-8")
        draft.replace(self.publish_to)
