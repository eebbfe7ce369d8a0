"""Exercises of lesson 07: an assignment of partitions, the time to catch up, and a topic that survives a broker."""

from collections.abc import Sequence
from numbers import Real

import pandas as pd

from lib.course.exercises import exercise
from lib.course.group import Group
from lib.course.members import settled
from lib.course.three_brokers import ThreeBrokers
from lib.topics import Cluster

FIRST, MORE = ("ana", "ben", "carla"), ("dora", "eva", "fina", "gael")
TOLERANCE = 0.3
DEMAND = {"partitions": 4, "replicas": 3, "in sync": 2}


@exercise
def assignment(prediction: dict[str, list[int]], idle: int, partitions: int, cluster: Cluster) -> str | None:
    """Whether the answer has the partitions of ana, ben and carla, who form a group on a topic with so many partitions,
    and the number of idle members after four more have joined. Forms that group."""
    if not isinstance(prediction, dict) or set(prediction) != set(FIRST):
        return 'write the partitions of each member: {"ana": [...], "ben": [...], "carla": [...]}'
    if not isinstance(idle, int) or isinstance(idle, bool):
        return "the number of idle members is a whole number, such as 0"
    found = {member: sorted(own) for member, own in prediction.items()}
    given = sorted(partition for own in found.values() for partition in own)
    if set(given) - set(range(partitions)):
        return f"a topic with {partitions} partitions has the numbers 0 to {partitions - 1}"
    if len(set(given)) < len(given):
        return "you gave a partition to two members: in a group each partition has exactly one"
    if len(given) < partitions:
        return f"{partitions - len(given)} partition(s) have no member: nobody would read them"
    topic = f"lesson_07_exercise_{partitions}"
    cluster.delete(topic)
    cluster.create(topic, partitions)
    with Group(cluster.address, topic, topic, seconds_per_message=1) as group:
        group.join(*FIRST)
        first = settled(cluster, topic, topic, group.members)
        group.join(*MORE)
        later = settled(cluster, topic, topic, group.members)
    cluster.delete(topic)
    if {len(own) for own in found.values()} != {len(own) for own in first.values()}:
        return "the shares are as equal as possible: none is larger than another by more than one partition"
    if found != first:
        return "the numbers are right, but who has which? The *range* rule says it: in which order do the members come?"
    if idle != (right := sum(not own for own in later.values())):
        few = "fewer" if idle > right else "more"
        return f"the assignment is right. Of the {len(later)} members, {few} than {idle} are idle"
    return None


@exercise
def catch_up(answer: float, lag: pd.Series, peak: int, enough: int) -> str | None:
    """Whether a query needs about that many seconds until the lag has fallen from `peak` to `enough` messages.

    `lag`: the lag in messages as it was measured after a smaller burst, its index in seconds, until it was below
    `enough` again.
    """
    if not isinstance(answer, Real) or isinstance(answer, bool):
        return "the answer is a number of seconds, such as 45"
    highest, end = lag.idxmax(), lag.index[-1]
    fall = (lag[highest] - lag[end]) / (end - highest)  # messages per second
    right = (peak - enough) / fall
    if abs(answer - right) <= TOLERANCE * right:
        return None
    size = "short" if answer < right else "long"
    return f"{answer:g} s is too {size}. By how many messages a second did the lag fall, after its highest value?"


@exercise
def survives(before: Sequence[bytes], after: Sequence[bytes], topic: str, three: ThreeBrokers) -> str | None:
    """Whether a topic meets DEMAND, and messages acknowledged before and after the kill of a broker prove it.

    `before`, `after`: the values that were acknowledged with acks="all".
    """
    cluster = three.cluster
    places = three.partitions(topic)
    if not places:
        return f"the cluster has no topic {topic!r}"
    if len(places) != DEMAND["partitions"]:
        fit = "some would be idle" if len(places) < DEMAND["partitions"] else "fewer are enough"
        return f"the topic has {len(places)} partitions. How many members of a group must work? With yours, {fit}"
    if (copies := len(places[0].replicas)) < DEMAND["replicas"]:
        return (
            f"the topic has {copies} replica(s). With two, one failure either stops producers with acks=all, or leaves "
            "acknowledged messages on one broker"
        )
    least = int(cluster.configuration(topic, "min.insync.replicas"))
    if least < DEMAND["in sync"]:
        return f"min.insync.replicas is {least}, so a message may be acknowledged while only {least} broker has it"
    if least > DEMAND["in sync"]:
        return f"min.insync.replicas is {least}: when one broker is down, nobody can send"
    if not before or not after:
        return "the proof needs messages acknowledged before the kill, and others after it"
    if all(len(each.in_sync) == copies for each in places):
        return "all replicas are in sync, so no broker is missing. Did you kill one, and wait until that was noticed?"
    stored = {record.value: record for record in cluster.read(topic)}
    if lost := [value for value in [*before, *after] if value not in stored]:
        return f"{len(lost)} of your messages are not in the topic, such as {lost[0]!r}: were they acknowledged?"
    last, first = max(stored[v].timestamp for v in before), min(stored[v].timestamp for v in after)
    if not any(last <= killed <= first for killed in three.kills):
        return "`three.kill` must come after the last message of `before` is stored, and before the first of `after`"
    return None
