"""Beside the consumer: what a running query has told so far.

The query's batches hand in their window counts, and Spark's listener the numbers of each batch; the live table, the
terminal and the JSON line read from here, never from the growing Parquet folder.
"""

import json
import threading
from pathlib import Path

import pandas as pd
from pyspark.sql.streaming import StreamingQueryListener

from lib.trends import ranking

WINDOWS_KEPT = 40
COLUMNS = ["window_start", "window_end", "hashtag", "tweets"]


class Tally(StreamingQueryListener):
    """Counts of the batches that this process committed, and the newest windows.

    `totals`: {received, counted, duplicates, late, malformed}, messages; received is the sum of the other four.
    `newest`: the newest event time seen, or None. `offsets`: {partition: next offset to read}.
    """

    def __init__(self, top: int, publish_to: Path | None = None) -> None:
        self.totals = dict.fromkeys(("received", "counted", "duplicates", "late", "malformed"), 0)
        self.newest: pd.Timestamp | None = None
        self.offsets: dict[int, int] = {}
        self.last: dict = {}
        self.error: str | None = None
        self.terminated = threading.Event()
        self.query_id: str | None = None
        self.top, self.publish_to = top, publish_to
        self._counts: dict[tuple, int] = {}
        self._lock = threading.Lock()

    def add_windows(self, rows: list) -> None:
        """Take a batch's changed counts, rows of (window_start, window_end, hashtag, tweets); forget old windows."""
        with self._lock:
            for start, end, hashtag, tweets in rows:
                key = (start, end, hashtag)
                self._counts[key] = max(tweets, self._counts.get(key, 0))
            kept = sorted({start for start, _, _ in self._counts})[-WINDOWS_KEPT:]
            if kept:
                self._counts = {key: tweets for key, tweets in self._counts.items() if key[0] >= kept[0]}

    def ranking(self) -> pd.DataFrame:
        """The trending topics now, as `lib.trends.ranking` gives them; empty before the first complete window."""
        with self._lock:
            counts = pd.DataFrame([(*key, tweets) for key, tweets in self._counts.items()], columns=COLUMNS)
        return ranking(counts, self.newest or pd.Timestamp.min, self.top)

    def onQueryStarted(self, event) -> None: ...

    def onQueryIdle(self, event) -> None: ...

    def onQueryProgress(self, event) -> None:
        progress = event.progress
        # Idle reports repeat the last batch's duplicates; only a batch that ran has observed anything.
        if str(progress.id) != self.query_id or "arrived" not in progress.observedMetrics:
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
        self.last = {
            "batch": progress.batchId,
            "at": progress.timestamp,
            "seconds": progress.durationMs["triggerExecution"] / 1000,
        }
        self.publish()

    def onQueryTerminated(self, event) -> None:
        if str(event.id) == self.query_id:
            self.error = event.exception
            self.terminated.set()

    def publish(self) -> None:
        """Leave the ranking and the totals in a JSON file, for a terminal that watches from another process."""
        if self.publish_to is None:
            return
        ranked = self.ranking()
        message = {"totals": self.totals, "ranking": json.loads(ranked.to_json(orient="records", date_format="iso"))}
        draft = self.publish_to.with_suffix(".draft")
        draft.write_text(json.dumps(message, ensure_ascii=False), encoding="utf-8")
        draft.replace(self.publish_to)
