"""Exercises of lesson 01: the lag of a consumer group, and a consumer in a group of its own."""

from kafka import TopicPartition

from lib.course.exercises import exercise
from lib.topics import Cluster


def committed(group: str, topic: str, cluster: Cluster) -> dict[int, int]:
    """{partition: next offset to read} that the group has committed for a topic."""
    places = [TopicPartition(topic, number) for number in cluster.offsets(topic)]
    offsets = cluster.ask(lambda client: client.list_group_offsets({group: places}))[group]
    return {place.partition: found.offset for place, found in offsets.items() if found.offset >= 0}


@exercise
def lag(answer: dict[str, int], topic: str, groups: list[str], cluster: Cluster) -> str | None:
    """Whether the answer is {group: messages of the topic that the group has not read}."""
    if missing := set(groups) ^ set(answer):
        return f"the groups are {', '.join(groups)}; look at {', '.join(sorted(missing))}"
    end = sum(cluster.offsets(topic).values())
    for group in groups:
        read = sum(committed(group, topic, cluster).values())
        if answer[group] == end - read:
            continue
        if answer[group] == read:
            return f"{read} is how many messages {group} has read; how many are left?"
        if answer[group] == read - end:
            return "a lag is not negative: subtract the other way round"
        return f"{group} has not read {answer[group]} of the {end} messages: compare the two numbers of this group"
    return None


@exercise
def own_group(group: str, topic: str, others: list[str], cluster: Cluster) -> str | None:
    """Whether a group of the student's own has read the whole topic, and committed that."""
    if group in others:
        return f"the group {group} has read before; choose a name that nobody has used"
    read, end = committed(group, topic, cluster), cluster.offsets(topic)
    if not read:
        return (
            f"the group {group} has committed nothing: give the consumer its group_id, read, and then "
            "call commit(), or close the consumer, which commits too"
        )
    if any(read.get(number, 0) < last for number, last in end.items()):
        return (
            f"the group {group} is at {sum(read.values())} of {sum(end.values())}: a new group begins at the end "
            "unless auto_offset_reset says otherwise, and one poll() may not give you everything"
        )
    return None
