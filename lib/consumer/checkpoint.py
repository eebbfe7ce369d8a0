"""Checkpoint of a trend query: its lock, its offset log, and whether it belongs to the query, windows and topic.

Spark itself notices little of this: it would count another window length into the old state, and read a recreated topic
from the old offsets.
"""

import json
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from lib.errors import QueryError
from lib.query import TrendQuery
from lib.topics import Cluster


class Batch(NamedTuple):
    """A committed micro-batch: {partition: offset} where it ended, the watermark that it began with (ms), and when
    Spark had fixed its offsets (ms)."""

    ends: dict[int, int]
    watermark: int
    begun: int


def read_offset_log(checkpoint: Path) -> list[Batch]:
    """The committed batches of a checkpoint, in order (https://spark.apache.org/docs/latest/streaming/).

    Its folder `offsets` has a file for each batch, with a line of metadata and a line for each source.
    """
    batches = []
    if not (checkpoint / "commits").exists():
        return batches
    for number in sorted(int(path.name) for path in (checkpoint / "commits").iterdir() if path.name.isdigit()):
        _, metadata, source, *_ = (checkpoint / "offsets" / str(number)).read_text().splitlines()
        metadata, (ends,) = json.loads(metadata), json.loads(source).values()
        ends = {int(partition): end for partition, end in ends.items()}
        batches.append(Batch(ends, metadata["batchWatermarkMs"], metadata["batchTimestampMs"]))
    return batches


def claim(checkpoint: Path, output: Path, query: TrendQuery, topic: str, cluster: Cluster) -> FileLock:
    """Lock the checkpoint for this process, or raise QueryError, which says why not and what to type.

    Release the lock when the query has ended; it ends with the process too.
    """
    reset = f"reset: python -m lib.reset --output {output} --keep-topic"
    lock = take_lock(checkpoint, output)
    try:
        check(checkpoint, output, query.to_dict() | {"topic": topic, "id": cluster.topic_id(topic)}, reset)
        batches = read_offset_log(checkpoint)
        if batches:
            check_offsets(batches[-1].ends, topic, cluster, reset)
    except QueryError:
        lock.release()
        raise
    return lock


def take_lock(checkpoint: Path, output: Path) -> FileLock:
    """Create the folders and lock the checkpoint; QueryError where another consumer has it, or it cannot be written."""
    try:
        for folder in (checkpoint, output / "trends", output / "malformed"):
            folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(checkpoint / "in-use.lock")
        lock.acquire(timeout=0)
        return lock
    except Timeout:
        raise QueryError(
            f"another consumer uses the checkpoint {checkpoint}",
            "stop that one first (Ctrl-C, or its notebook's stop cell), or give this one another --output",
            used=checkpoint,
        ) from None
    except OSError as error:
        path = error.filename or output
        raise QueryError(
            f"{path} cannot be written: {error.strerror}", "use another folder: --output DIR", path=path
        ) from None


def check(checkpoint: Path, output: Path, asked: dict[str, str], reset: str) -> None:
    """QueryError unless windows, checkpoint and query belong together; a new checkpoint remembers the query."""
    windows, begun = any((output / "trends").glob("batch=*")), (checkpoint / "offsets").exists()
    if windows and not begun:
        raise QueryError(
            f"{output / 'trends'} holds the windows of an earlier run, but {checkpoint} is new",
            f"use that run's checkpoint, use another --output, or {reset}",
            windows_without=checkpoint,
        )
    if not windows and any((checkpoint / "commits").glob("[0-9]*")):
        raise QueryError(
            f"the checkpoint {checkpoint} has counted windows that are no longer in {output / 'trends'}",
            f"put them back, or {reset}",
            missing=output / "trends",
        )
    remembered = checkpoint / "query.json"
    if not begun:
        remembered.write_text(json.dumps(asked))
        return
    before = json.loads(remembered.read_text()) if remembered.exists() else {}
    if before.get("topic") == asked["topic"] and before.get("id") != asked["id"]:
        raise QueryError(
            f"the topic {asked['topic']} was deleted and recreated since the checkpoint {checkpoint} was written",
            reset,
            recreated=asked["topic"],
        )
    if differing := {name: before.get(name) for name in asked if before.get(name) != asked[name]}:
        changes = [f"{name} {value!r} instead of {asked[name]!r}" for name, value in differing.items()]
        raise QueryError(
            f"the checkpoint {checkpoint} belongs to another query: it was started with {', '.join(changes)}",
            f"use the same options, use another --output, or {reset}",
            differing=differing,
        )


def check_offsets(counted_to: dict[int, int], topic: str, cluster: Cluster, reset: str) -> None:
    """QueryError where the topic no longer has the messages that come next."""
    earliest = cluster.offsets(topic, "earliest")
    lost = sum(earliest[p] - offset for p, offset in counted_to.items() if earliest.get(p, 0) > offset)
    if lost:
        raise QueryError(
            f"{lost} messages of {topic} expired (retention) before they were counted",
            f"they are lost; {reset}",
            expired=lost,
        )
