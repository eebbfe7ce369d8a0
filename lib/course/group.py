"""Consumer group whose members are threads of this process, and whose messages take a fixed time each."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Self

from kafka import KafkaConsumer

from lib.wait import wait_until

WAIT_SECONDS = 60
POLL_SECONDS = 0.1  # the work that one poll() returns; a member can leave or take part in a rebalance after it


class Group:
    """A group on a topic, which it reads from the earliest message. Use `with`, or end it by `close()`.

    Each message takes `seconds_per_message`, in which a member only waits, as for the answer of a database. After that
    it is committed, and counted in `processed`, {member: messages}.
    """

    def __init__(self, address: str, topic: str, name: str, seconds_per_message: float) -> None:
        self.topic, self.name, self.seconds_per_message = topic, name, seconds_per_message
        self.processed: Counter[str] = Counter()
        self._members: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self._options = {
            "bootstrap_servers": address,
            "group_id": name,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "heartbeat_interval_ms": 200,  # a member learns so soon of a rebalance; the default is 3 s
            "session_timeout_ms": 6_000,
            "max_poll_records": max(1, round(POLL_SECONDS / seconds_per_message)),
            "max_partition_fetch_bytes": 64 * 1024,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def members(self) -> set[str]:
        return set(self._members)

    def join(self, *members: str) -> None:
        """Start members, and return at once: `lib.course.members.settled` waits until they have their partitions."""
        for member in members:
            leaving = threading.Event()
            thread = threading.Thread(target=self._work, args=(member, leaving), daemon=True)
            self._members[member] = thread, leaving
            thread.start()

    def leave(self, *members: str) -> None:
        """Stop members, and wait until they have left the group. Messages in work are not committed."""
        left = [self._members.pop(member) for member in members]
        for _, leaving in left:
            leaving.set()
        for thread, _ in left:
            thread.join()

    def close(self) -> None:
        """Stop all members. Safe to call twice."""
        self.leave(*self.members)

    def _work(self, member: str, leaving: threading.Event) -> None:
        with KafkaConsumer(self.topic, client_id=member, **self._options) as consumer:
            while not leaving.is_set():
                received = consumer.poll(timeout_ms=1000)  # kafka-python can hang when many polls time out
                for records in received.values():
                    if leaving.wait(len(records) * self.seconds_per_message):
                        return
                    consumer.commit()
                    self.processed[member] += len(records)


def rates(groups: Sequence[Group], shares: Sequence[Mapping[str, Sequence[int]]], seconds: float) -> list[float]:
    """How many messages each group processes per second, measured for so many seconds.

    `shares` has {member: its partitions} for each group. The measurement begins when each member that has partitions
    has processed a message since the call; TimeoutError if that takes over a minute.
    """
    starts = [group.processed.copy() for group in groups]
    works = [
        (group, start, member)
        for group, start, share in zip(groups, starts, shares, strict=True)
        for member, own in share.items()
        if own
    ]
    wait_until(lambda: all(group.processed[member] > start[member] for group, start, member in works), WAIT_SECONDS)
    before, began = [group.processed.total() for group in groups], time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    return [(group.processed.total() - count) / took for group, count in zip(groups, before, strict=True)]
