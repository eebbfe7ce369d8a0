"""Micro-batches of a streaming query: what each one emitted, Spark's reports, and how long each part took."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, Row
from pyspark.sql.streaming import StreamingQuery
from pyspark.sql.streaming.listener import StreamingQueryProgress

from lib.wait import wait_until

SECONDS = 120
# The parts of a micro-batch in their order, as Spark names them; triggerExecution is the whole.
PARTS = ["latestOffset", "walCommit", "getBatch", "queryPlanning", "addBatch", "commitOffsets"]


def run(
    rows: DataFrame, mode: str, checkpoint: Path | None = None
) -> tuple[dict[int, list[Row]], list[StreamingQueryProgress]]:
    """Run a query over what is in its topic, in this output mode, and wait until it ends, at most 120 seconds.

    Returns {number of the micro-batch: the rows it emitted}, and the progress of each micro-batch that read something.
    """
    emitted = {}

    def take(batch: DataFrame, number: int) -> None:
        emitted[number] = batch.collect()

    return emitted, run_into(take, rows, mode, checkpoint)


def run_into(
    sink: Callable[[DataFrame, int], None], rows: DataFrame, mode: str = "update", checkpoint: Path | None = None
) -> list[StreamingQueryProgress]:
    """The same with a sink, a function for foreachBatch, that gets the rows of each micro-batch; the progress."""
    writer = rows.writeStream.outputMode(mode).trigger(availableNow=True).foreachBatch(sink)
    if checkpoint:
        writer = writer.option("checkpointLocation", str(checkpoint))
    query = writer.start()
    assert query.awaitTermination(SECONDS), "the query is still running"
    return reports(query)


def first(rows: DataFrame, count: int) -> list[StreamingQueryProgress]:
    """Run a query in update mode, without a pause between its micro-batches, and stop it after so many of them.

    Its rows are thrown away. Returns the progress of the first `count` micro-batches that read something. Raises what
    has ended the query, and TimeoutError if there are fewer after 120 seconds.
    """
    query = rows.writeStream.outputMode("update").trigger(processingTime="0 seconds").format("noop").start()
    try:
        wait_until(lambda: len(reports(query)) >= count or not query.isActive, SECONDS, every=0.1)
    finally:
        query.stop()
    if error := query.exception():
        raise error
    return reports(query)[:count]


def reports(query: StreamingQuery) -> list[StreamingQueryProgress]:
    """The progress of the micro-batches, of the last 100, that read something."""
    return [report for report in query.recentProgress if report.numInputRows]


def seconds(found: Sequence[StreamingQueryProgress]) -> pd.DataFrame:
    """How long each part of each micro-batch took: a row for each one, its PARTS and triggerExecution as columns."""
    table = pd.DataFrame([report.durationMs for report in found], index=[report.batchId for report in found])
    others = [name for name in table if name not in (*PARTS, "triggerExecution")]
    return table.reindex(columns=[*PARTS, *others, "triggerExecution"]).fillna(0) / 1000


def median(found: Sequence[StreamingQueryProgress]) -> float:
    """The seconds of a micro-batch: the median of all but the first one, which warms up."""
    return seconds(found)["triggerExecution"][1:].median()


def answer(emitted: Mapping[int, Sequence[Row]]) -> dict[tuple[float, str], int]:
    """{(start of the window in seconds since 1970, hashtag): tweets} of the rows (window, hashtag, count) that micro-
    batches have emitted in update mode: the last count is the right one."""
    return {(start.timestamp(), hashtag): n for rows in emitted.values() for (start, _), hashtag, n in rows}
