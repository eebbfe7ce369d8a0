"""Beside the consumer: a folder of Parquet with one `batch=N` for each micro-batch, kept to a bounded number of files.

A batch that is replayed after a crash overwrites its own folder. From time to time the older folders are merged into
one; each step of that can be cut off without harm, because what is merged twice is the same rows again.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import DataFrame

KEPT_APART = 50


def write(batch: DataFrame, folder: Path, number: int, merge: Callable[[DataFrame], DataFrame]) -> None:
    """Write a micro-batch to `folder`/batch=`number`, and merge the older ones when there are more than 50.

    `merge` makes one DataFrame of rows that may be there twice, such as `lib.trends.largest_on_record`.
    """
    batch.write.mode("overwrite").parquet(str(folder / f"batch={number}"))
    older = sorted((path for path in folder.glob("batch=*") if number_of(path) < number), key=number_of)
    if len(older) > KEPT_APART:
        *sources, target = older  # all of them are committed: Spark begins a batch when the one before it is
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
