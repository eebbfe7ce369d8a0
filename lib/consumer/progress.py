"""StreamingQueryListener: writes Spark's report of each micro-batch to the store, and keeps the newest one."""

import json
import threading
import time
from dataclasses import dataclass

import pandas as pd
from pyspark.sql.streaming import StreamingQueryListener

from lib.consumer.store import Store


@dataclass(frozen=True)
class Batch:
    """A committed micro-batch: when it ended (seconds since 1970), its duration (seconds), its input rate (messages per
    second), the rows of state (0 where it does not count them: see `spark_session`), and the watermark (ISO 8601)."""

    number: int
    ended: float
    seconds: float
    per_second: float
    state_rows: int
    watermark: str


class Progress(StreamingQueryListener):
    """What the batches have counted, from the store, and what Spark reports of the newest.

    `offsets`: {partition: next offset to read}. `last`: the last Batch of this process, or None.
    """

    def __init__(self, query_name: str, store: Store, top: int) -> None:
        self.query_name, self.store, self.top = query_name, store, top
        self.offsets = {p: offset for batch in store.batches(last=1) for p, offset in batch.ends.items()}
        self.last: Batch | None = None
        self.terminated = threading.Event()
        self._run_id = None

    @property
    def totals(self) -> dict[str, int]:
        """{received, counted, duplicates, late, malformed}, in messages, since the store was made. received is the sum
        of the other four."""
        return self.store.totals()

    @property
    def newest(self) -> pd.Timestamp | None:
        """The newest event time seen; None before the first."""
        newest = self.store.newest()
        return newest and pd.Timestamp(newest)

    def ranking(self) -> pd.DataFrame:
        """The trending topics now, as `lib.ranking.ranking` gives them; empty before the first complete window."""
        return self.store.ranking(self.top)

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
        verdicts = {
            "received": arrived["received"],
            "counted": kept["counted"],
            "duplicates": dedupe.customMetrics["numDroppedDuplicateRows"],
            "late": dedupe.numRowsDroppedByWatermark,
            "malformed": arrived["malformed"],
        }
        self.store.report(progress.batchId, arrived["newest_ms"], {key: int(n) for key, n in verdicts.items()})
        ends = json.loads(progress.sources[0].endOffset)
        self.offsets = {int(partition): offset for topic in ends.values() for partition, offset in topic.items()}
        self.last = Batch(
            number=progress.batchId,
            ended=time.time(),
            seconds=progress.durationMs["triggerExecution"] / 1000,
            per_second=progress.inputRowsPerSecond,
            state_rows=sum(op.numRowsTotal for op in progress.stateOperators),
            watermark=progress.eventTime.get("watermark", ""),
        )

    def onQueryTerminated(self, event) -> None:
        if event.runId == self._run_id:
            self.terminated.set()
