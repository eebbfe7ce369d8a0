"""Micro-batches of a streaming query: what each one emitted, and Spark's reports."""

from pathlib import Path

from pyspark.sql import DataFrame, Row
from pyspark.sql.streaming.listener import StreamingQueryProgress


def run(
    rows: DataFrame, mode: str, checkpoint: Path | None = None
) -> tuple[dict[int, list[Row]], list[StreamingQueryProgress]]:
    """Run a query over what is in its topic, in this output mode, and wait until it ends, at most 120 seconds.

    Returns {number of the micro-batch: the rows it emitted}, and the progress of each micro-batch that read something.
    """
    emitted = {}

    def take(batch: DataFrame, number: int) -> None:
        emitted[number] = batch.collect()

    writer = rows.writeStream.outputMode(mode).trigger(availableNow=True).foreachBatch(take)
    if checkpoint:
        writer = writer.option("checkpointLocation", str(checkpoint))
    query = writer.start()
    assert query.awaitTermination(120), "the query is still running"
    return emitted, [report for report in query.recentProgress if report.numInputRows]
