"""Locks of a consumer's database and checkpoint, and the check that both belong to the same query and topic.

Spark itself notices little of this: it would count another window length into the old state, and read a recreated topic
from the old offsets.
"""

from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from lib.consumer.checkpoint import identity, last_number
from lib.consumer.database import in_use
from lib.consumer.store import Store
from lib.errors import QueryError
from lib.query import TrendQuery
from lib.topics import Cluster

# Of a store and its checkpoint. A change that makes older ones useless gives it another name.
FORMAT = "one query, and a state that begins with the second"


class Claim:
    """The locks of a store and a checkpoint. They end with `release()`, or with the process.

    Raises QueryError, which says why not and what to type.
    """

    def __init__(
        self, store: Store, output: Path, checkpoint: Path, query: TrendQuery, topic: str, cluster: Cluster
    ) -> None:
        self.store, self.checkpoint = store, checkpoint
        self.reset = f"reset: python -m lib.reset --output {output} --keep-topic"
        if store.path != Store.in_folder(output).path:
            self.reset += f" --store {store}"
        self.locks: list[FileLock] = []
        try:
            if store.lock_file:
                self.lock(store.lock_file, str(store))
            self.lock(checkpoint / "in-use.lock", str(checkpoint))
            self.open_store()
            self.check(asdict(query) | {"topic": topic, "topic_id": cluster.topic_id(topic)})
            store.define_windows(query)
            self.check_offsets(topic, cluster)
        except BaseException:
            self.release()
            store.close()
            raise

    def release(self) -> None:
        """Let another consumer have them. Safe to call twice."""
        for lock in self.locks:
            lock.release()

    def lock(self, path: Path, used: str) -> None:
        """Create the folder and take the lock; QueryError if another consumer has it, or it cannot be written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            lock.acquire(timeout=0)
            self.locks.append(lock)
        except Timeout:
            raise in_use(used) from None
        except OSError as error:
            raise unwritable(Path(error.filename or path), error.strerror) from None

    def open_store(self) -> None:
        committed = last_number(self.checkpoint, "commits")
        if committed is not None and not self.store.exists():
            raise self.incomplete(None, committed)
        self.store.create()

    def check(self, asked: dict[str, str]) -> None:
        """QueryError unless store, checkpoint, query and topic belong together; a new store remembers them."""
        before, committed = self.store.run(), last_number(self.checkpoint, "commits")
        self.check_query(before, asked)
        written, known = self.store.last_batch(), before.get("checkpoint_id")
        if known and known != identity(self.checkpoint):
            raise QueryError(
                f"{self.store} belongs to another checkpoint than {self.checkpoint}",
                f"use that run's checkpoint ({before['checkpoint']}), use another --output or --store, or {self.reset}",
                checkpoint=self.checkpoint, belongs_to=before["checkpoint"],
            )  # fmt: skip
        if committed is not None and (written is None or written < committed):
            raise self.incomplete(written, committed)
        planned = last_number(self.checkpoint, "offsets")
        if written is not None and (planned is None or written > planned):
            raise QueryError(
                f"{self.store} has batch {written}, and the checkpoint {self.checkpoint} is older: it ends with "
                f"batch {planned}",
                f"put the newest checkpoint of that run back, or {self.reset}",
                written=written, planned=planned,
            )  # fmt: skip
        self.store.remember(asked | {"checkpoint": str(self.checkpoint), "format": FORMAT})

    def incomplete(self, written: int | None, committed: int) -> QueryError:
        """The error for a store that lacks batches which its checkpoint has finished."""
        return QueryError(
            f"{self.store} lacks batches that are finished in the checkpoint {self.checkpoint}",
            f"put the database of that run back, or {self.reset}",
            missing=str(self.store), written=written, committed=committed,
        )  # fmt: skip

    def check_query(self, before: dict[str, str], asked: dict[str, str]) -> None:
        """QueryError if the store belongs to another query, or to a topic that is gone."""
        if not before:
            return
        if before.get("format") != FORMAT:
            raise QueryError(
                f"{self.store} was written by another version of this course, whose run this one cannot continue",
                f"use another --output or --store, or {self.reset}",
                store=str(self.store),
            )
        differing = {name: before.get(name) for name in asked if before.get(name) != asked[name]}
        if differing.keys() == {"topic_id"}:
            raise QueryError(
                f"the topic {asked['topic']} was deleted and recreated since {self.store} was written",
                self.reset,
                recreated=asked["topic"],
            )
        if differing:
            changes = [
                f"{name} {differing[name]!r} instead of {asked[name]!r}" for name in differing if name != "topic_id"
            ]
            raise QueryError(
                f"{self.store} belongs to another query: it was started with {', '.join(changes)}",
                f"use the same options, use another --output or --store, or {self.reset}",
                differing=differing,
            )

    def check_offsets(self, topic: str, cluster: Cluster) -> None:
        """QueryError if the topic no longer has the messages that come next."""
        earliest = cluster.offsets(topic, "earliest")
        counted = [batch.ends for batch in self.store.batches(last=1)]
        lost = sum(max(0, earliest.get(p, 0) - offset) for ends in counted for p, offset in ends.items())
        if lost:
            raise QueryError(
                f"{lost} messages of {topic} expired (retention) before they were counted",
                f"they are lost; {self.reset}",
                expired=lost,
            )


def unwritable(path: Path, reason: str | None) -> QueryError:
    """The error for a folder that cannot be written."""
    return QueryError(
        f"{path} cannot be written: {reason}", "use another folder: --output DIR", path=path, reason=reason
    )
