"""Reader of a streaming query's checkpoint: the query's id, where it began, and where each micro-batch ends.

The layout of these files is Spark's own (tried with 4.2.0). Only its sources document it: `OffsetSeqLog`, `CommitLog`.
"""

import json
from pathlib import Path

from lib.consumer.store import Batch


def identity(checkpoint: Path) -> str | None:
    """The id that Spark gave the query of this checkpoint; None before its first start."""
    try:
        return json.loads((checkpoint / "metadata").read_text())["id"]
    except FileNotFoundError:
        return None


def last_number(checkpoint: Path, log: str) -> int | None:
    """The newest batch in the log "offsets" (planned) or "commits" (finished); None if it has none."""
    folder = checkpoint / log
    numbers = [int(path.name) for path in folder.iterdir() if path.name.isdigit()] if folder.exists() else []
    return max(numbers, default=None)


def unfinished(checkpoint: Path) -> int | None:
    """The batch that is planned and not finished; None if there is none."""
    planned, finished = (last_number(checkpoint, log) for log in ("offsets", "commits"))
    return planned if planned != finished else None


def limits(checkpoint: Path, number: int) -> Batch:
    """Where a batch ends, its watermark, and when Spark planned it. Spark writes them before it runs the batch.

    The file `offsets/NUMBER` has a version, a line of metadata, and a line for each place in the plan that reads the
    topic. They are equal.
    """
    _, metadata, source, *_ = (checkpoint / "offsets" / str(number)).read_text().splitlines()
    metadata, (ends,) = json.loads(metadata), json.loads(source).values()
    ends = {int(partition): end for partition, end in ends.items()}
    return Batch(ends, metadata["batchWatermarkMs"], metadata["batchTimestampMs"])


def first_offsets(checkpoint: Path) -> dict[int, int] | None:
    """{partition: offset} where the query of this checkpoint began; None until Spark has written it."""
    try:
        text = (checkpoint / "sources" / "0" / "0").read_text()
    except FileNotFoundError:
        return None
    (found,) = json.loads(text[text.index("{") :]).values()
    return {int(partition): offset for partition, offset in found.items()}
