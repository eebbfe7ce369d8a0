"""Members of a consumer group that live in one process, such as a notebook: let them rebalance, and read."""

from kafka import KafkaConsumer

from lib.topics import Cluster
from lib.wait import wait_until


def settle(cluster: Cluster, group: str, *members: KafkaConsumer, seconds: float = 60) -> dict[str, list[int]]:
    """Poll the members in turn until the broker calls the group stable with all of them; {client id: its partitions}.

    Messages that arrive meanwhile are lost to the caller. Raises TimeoutError after `seconds`.
    """

    def stable() -> bool:
        for member in members:
            member.poll(timeout_ms=50)
        found = cluster.ask(lambda client: client.describe_groups([group]))[group]
        return found["group_state"] == "Stable" and len(found["members"]) == len(members)

    wait_until(stable, seconds)
    return {m.config["client_id"]: sorted(place.partition for place in m.assignment()) for m in members}


def read(member: KafkaConsumer, count: int, seconds: float = 60) -> list[str]:
    """Poll until the member has received `count` messages; their texts, sorted. Raises TimeoutError after `seconds`."""
    received = []

    def enough() -> bool:
        for records in member.poll(timeout_ms=200).values():
            received.extend(record.value.decode() for record in records)
        return len(received) >= count

    wait_until(enough, seconds)
    return sorted(received)
