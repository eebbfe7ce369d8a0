"""Beside the consumer: whether a checkpoint, the windows beside it, the question and the topic still belong together.

Spark itself notices little of this: another window length would be counted into the old state, and a topic that was
deleted and made again would be read on from the old offsets.
"""

import json
from pathlib import Path

from filelock import FileLock, Timeout

from lib import topics
from lib.errors import QueryError
from lib.recount import read_offset_log


def claim(checkpoint: Path, output: Path, question: dict[str, str], topic: str, bootstrap_servers: str) -> FileLock:
    """Take the checkpoint for this process, or raise QueryError, which says why not and what to type.

    `question` is what is asked ({window, slide, watermark}). Release the lock when the query has ended; it ends with
    the process too.
    """
    anew = f"begin anew: python -m lib.reset --output {output} --keep-topic"
    try:
        for folder in (checkpoint, output / "trends", output / "malformed"):
            folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(checkpoint / "in-use.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise QueryError(
            f"another consumer is at work on the checkpoint {checkpoint}",
            "stop that one first (Ctrl-C, or its notebook's stop cell), or give this one another --output",
        ) from None
    except OSError as error:
        raise QueryError(
            f"{error.filename or output} cannot be written: {error.strerror}", "give another folder: --output DIR"
        ) from None
    try:
        check(checkpoint, output, question | {"topic": topic, "id": topics.identity(topic, bootstrap_servers)}, anew)
        batches = read_offset_log(checkpoint)
        if batches:
            check_offsets(batches[-1].ends, topic, bootstrap_servers, anew)
    except QueryError:
        lock.release()
        raise
    return lock


def check(checkpoint: Path, output: Path, asked: dict[str, str], anew: str) -> None:
    """QueryError unless windows, checkpoint and question are of one run; a new checkpoint remembers the question."""
    windows, begun = any((output / "trends").glob("batch=*")), (checkpoint / "offsets").exists()
    if windows and not begun:
        raise QueryError(
            f"{output / 'trends'} holds the windows of an earlier run, but {checkpoint} is new",
            f"use that run's checkpoint, give another --output, or {anew}",
        )
    if not windows and any((checkpoint / "commits").glob("[0-9]*")):
        raise QueryError(
            f"the checkpoint {checkpoint} has counted windows that are no longer in {output / 'trends'}",
            f"put them back, or {anew}",
        )
    question = checkpoint / "question.json"
    if not begun:
        question.write_text(json.dumps(asked))
        return
    before = json.loads(question.read_text()) if question.exists() else {}
    if before.get("topic") == asked["topic"] and before.get("id") != asked["id"]:
        raise QueryError(
            f"the topic {asked['topic']} was deleted and made again since the checkpoint {checkpoint} was written", anew
        )
    differing = [
        f"{name} {before.get(name)!r} instead of {asked[name]!r}" for name in asked if before.get(name) != asked[name]
    ]
    if differing:
        raise QueryError(
            f"the checkpoint {checkpoint} belongs to another query: it was begun with {', '.join(differing)}",
            f"ask as before, give another --output, or {anew}",
        )


def check_offsets(counted_to: dict[int, int], topic: str, bootstrap_servers: str, anew: str) -> None:
    """QueryError where the topic no longer has the messages that come next."""
    earliest = topics.offsets(topic, "earliest", bootstrap_servers)
    lost = {p: earliest[p] - offset for p, offset in counted_to.items() if earliest.get(p, 0) > offset}
    if lost:
        raise QueryError(
            f"{sum(lost.values())} messages of {topic} expired (retention) before they were counted",
            f"they are gone; {anew}",
        )
