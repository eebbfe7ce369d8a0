"""Rebalance of a consumer group, measured: how long a member that keeps a partition gets no message of it.

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
) -> dict[str, int]:
    """{protocol: the longest time, in ms, that a fast member waits for a message of a partition that it keeps}.

    `client` is the class confluent_kafka.Consumer, and `protocols` have its options. For each of them two members read
    a topic to which messages are sent all the time: a fast one, and one that works `slow_seconds` on each message. Then
    a third one joins. All are measured at the same time. Raises TimeoutError if the members do not share all partitions
    in time.
    """
    partitions = len(cluster.offsets(topic))
    with ThreadPoolExecutor() as pool:
        measured = {}
        for name, options in protocols.items():
            own = {"bootstrap.servers": cluster.address, "group.id": f"{topic} {name}", "auto.offset.reset": "latest"}
            measured[name] = pool.submit(longest_gap, client, topic, partitions, own | options, slow_seconds)
        return {name: gap.result() for name, gap in measured.items()}


def longest_gap(client: type, topic: str, partitions: int, options: dict, slow_seconds: float) -> int:
    """The gap of one group, in ms; see `longest_gaps`."""
    over, members = threading.Event(), []

    def shared() -> bool:
        shares = [member.partitions for member in members]
        return all(shares) and sum(map(len, shares)) == partitions

    try:
        for name, seconds in {"a fast": 0, "b slow": slow_seconds, "c third": 0}.items():
            kept, joined = set(members[0].partitions) if members else set(), time.monotonic()
            members.append(Member(client, topic, options | {"client.id": name}, seconds, over))
            wait_until(shared, READY_SECONDS)
            kept &= members[0].partitions
            now = time.monotonic()
            wait_until(lambda kept=kept, now=now: members[0].heard(kept, now), READY_SECONDS)
    finally:
        over.set()
        for member in members:
            member.thread.join()
    times = {p: [when for q, when in members[0].arrivals if q == p and when > joined] for p in kept}
    return round(1000 * max(b - a for found in times.values() for a, b in pairwise(found)))
