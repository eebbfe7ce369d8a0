"""Idempotent Parquet sink: a folder `batch=N` for each micro-batch, in a bounded number of files.

A batch that is replayed after a crash overwrites its own folder. From time to time the older folders are merged into
one; a crash at any step of that does no harm, because merging the same rows twice gives the same result.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import DataFrame

MAX_FOLDERS = 50


def write(batch: DataFrame, folder: Path, number: int, merge: Callable[[DataFrame], DataFrame]) -> None:
    """Write a micro-batch to `folder`/batch=`number`, and merge the older ones where there are more than 50.

    `merge` removes repeated rows from a DataFrame, such as `lib.trends.largest_on_record`.
    """
    batch.write.mode("overwrite").parquet(str(folder / f"batch={number}"))
    older = sorted((path for path in folder.glob("batch=*") if number_of(path) < number), key=number_of)
    if len(older) > MAX_FOLDERS:
        *sources, target = older  # all are committed: Spark starts a batch only after the one before it is
        merged = folder / "_merged"  # Spark does not read names that begin with _
        rows = batch.sparkSession.read.parquet(*map(str, sources))
        rows.transform(merge).coalesce(1).write.mode("overwrite").parquet(str(merged))
        for part in merged.glob("part-*"):
            part.replace(target / part.name)
        for path in [*sources, merged]:
            shutil.rmtree(path)


def number_of(path: Path) -> int:
    """The N of a folder batch=N."""
    return int(path.name.removeprefix("batch="))
