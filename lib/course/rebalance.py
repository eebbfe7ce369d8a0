"""Rebalance of a consumer group, measured: how long a member that keeps a partition gets no message from it.

Needs the client confluent-kafka, the extra `confluent` of the project: kafka-python does not speak the protocol of
KIP-848.
"""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from lib.topics import Cluster
from lib.wait import wait_until

READY_SECONDS = 60


class Member:
    """A member of a group in a thread; it works `seconds` on each message, and ends when `over` is set.

    `partitions`: those that it has now; `arrivals`: (partition, time in seconds) of each message.
    """

    def __init__(self, client: type, topic: str, options: dict, seconds: float, over: threading.Event) -> None:
        self.partitions: set[int] = set()
        self.arrivals: list[tuple[int, float]] = []
        self.seconds, self.over = seconds, over
        self.consumer = client(options)
        self.consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _assigned(self, _, places) -> None:
        self.partitions |= {place.partition for place in places}

    def _revoked(self, _, places) -> None:
        self.partitions -= {place.partition for place in places}

    def _read(self) -> None:
        while not self.over.is_set():
            message = self.consumer.poll(0.1)
            if message and not message.error():
                self.arrivals.append((message.partition(), time.monotonic()))
                self.over.wait(self.seconds)
        self.consumer.close()

    def heard(self, partitions: set[int], since: float) -> bool:
        """Whether it has received a message of each of these partitions since then."""
        return partitions <= {partition for partition, when in self.arrivals[-1000:] if when > since}


def longest_gaps(
    client: type, cluster: Cluster, topic: str, protocols: Mapping[str, Mapping[str, object]], slow_seconds: float
) -> dict[str, dict[str, int]]:
    """The longest time, in ms, that a fast member waits for a message from a partition that it keeps.

    `client` is the class confluent_kafka.Consumer, and `protocols` have its options. For each of them two members read
    a topic to which messages are sent all the time: a fast one, and one that works `slow_seconds` on each message. A
    third one joins when the slow one has just received a message, so that each run meets the same moment. All are
    measured at the same time. Returns {protocol: {"before": ms, "while a member joins": ms}}. Raises TimeoutError if
    the members do not share all partitions in time.
    """
    partitions = len(cluster.offsets(topic))
    with ThreadPoolExecutor() as pool:
        measured = {}
        for name, options in protocols.items():
            own = {"bootstrap.servers": cluster.address, "group.id": f"{topic} {name}", "auto.offset.reset": "latest"}
            measured[name] = pool.submit(longest_gap, client, topic, partitions, own | options, slow_seconds)
        return {name: gap.result() for name, gap in measured.items()}


def longest_gap(client: type, topic: str, partitions: int, options: dict, slow_seconds: float) -> dict[str, int]:
    """The gaps of one group, in ms; see `longest_gaps`."""
    over, members = threading.Event(), []

    def join(name: str, seconds: float) -> Member:
        members.append(Member(client, topic, options | {"client.id": name}, seconds, over))
        return members[-1]

    def shared() -> bool:
        shares = [member.partitions for member in members]
        return all(shares) and sum(map(len, shares)) == partitions

    try:
        fast, slow = join("a fast", 0), join("b slow", slow_seconds)
        wait_until(shared, READY_SECONDS)
        before, settled, received = set(fast.partitions), time.monotonic(), len(slow.arrivals)
        # Two messages of the slow one: the time between them, at least, is the one without a rebalance.
        wait_until(lambda: len(slow.arrivals) >= received + 2, READY_SECONDS, every=0.001)
        joined = time.monotonic()
        join("c third", 0)
        wait_until(shared, READY_SECONDS)
        kept, now = before & fast.partitions, time.monotonic()
        wait_until(lambda: fast.heard(kept, now), READY_SECONDS)
    finally:
        over.set()
        for member in members:
            member.thread.join()
    gaps = {"before": 0, "while a member joins": 0}
    for partition in kept:
        times = [when for other, when in fast.arrivals if other == partition and settled < when]
        for a, b in pairwise(times):
            moment = "before" if b <= joined else "while a member joins"
            gaps[moment] = max(gaps[moment], round(1000 * (b - a)))
    return gaps
