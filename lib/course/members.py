"""Members of a consumer group, and what it has committed, as the broker knows them."""

from contextlib import suppress
from itertools import chain

from kafka import TopicPartition

from lib.errors import BrokerError
from lib.topics import Cluster
from lib.wait import wait_until


def settled(cluster: Cluster, topic: str, group: str, members: set[str], seconds: float = 60) -> dict[str, list[int]]:
    """Wait until the group is stable, with these members (client ids), and all partitions are assigned.

    Returns {client id: its partitions}. Raises TimeoutError after `seconds`.
    """
    partitions = list(cluster.offsets(topic))

    def shares() -> dict[str, list[int]] | None:
        found = None
        with suppress(BrokerError):  # for its first group a broker must create the topic of the committed offsets
            found = cluster.ask(lambda client: client.describe_groups([group]))[group]
        if not found or found["group_state"] != "Stable":
            return None
        if {m["client_id"] for m in found["members"]} != members:
            return None
        shares = {m["client_id"]: assigned(m["member_assignment"], topic) for m in found["members"]}
        # A member that joins before it knows the topic is given nothing at first; it joins again.
        return dict(sorted(shares.items())) if sorted(chain(*shares.values())) == partitions else None

    return wait_until(shares, seconds)


def assigned(assignment: dict, topic: str) -> list[int]:
    """The partitions of a topic in a member's assignment."""
    return sorted(p for part in assignment["assigned_partitions"] if part["topic"] == topic for p in part["partitions"])


def committed(cluster: Cluster, topic: str, group: str) -> dict[int, int]:
    """{partition: next offset to read} that the group has committed for a topic."""
    places = [TopicPartition(topic, number) for number in cluster.offsets(topic)]
    offsets = cluster.ask(lambda client: client.list_group_offsets({group: places}))[group]
    return {place.partition: found.offset for place, found in offsets.items() if found.offset >= 0}
