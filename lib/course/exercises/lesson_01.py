"""Exercises of lesson 01: a consumer in a group of its own, and a group that reads again."""

from collections import Counter
from typing import Any

from lib.course.exercises import exercise
from lib.course.members import committed
from lib.topics import Cluster


def text(message: Any) -> str:
    """A message as text; it may be a record of Kafka's client, its bytes, or text already."""
    value = getattr(message, "value", message)
    return value.decode() if isinstance(value, bytes) else str(value)


@exercise
def own_group(group: str, received: list, topic: str, others: list[str], cluster: Cluster) -> str | None:
    """Whether a group of the student's own has received each message of the topic once, and has committed that."""
    if not isinstance(group, str) or not group:
        return "the name of the group is a text, the same as the group_id of your consumer"
    if group in others:
        return f"the group {group} has read before; choose a name that nobody has used"
    read, end = committed(cluster, topic, group), cluster.offsets(topic)
    expected, found = Counter(text(record) for record in cluster.read(topic)), Counter(map(text, received))
    if extra := found - expected:
        known = all(message in expected for message in extra)
        what = "more than once" if known else "but it is not a message of the topic"
        return f"{min(extra)[:40]!r} is in your list, {what}; empty the list before you read again"
    if not received and read:
        return (
            f"the group {group} has committed offset {sum(read.values())}, and your consumer received nothing: it "
            "began there, or at the end of the topic. What decides where a group begins? Try it with a new name"
        )
    if missing := expected - found:
        return (
            f"your consumer received {found.total()} of {expected.total()} messages, and not {min(missing)!r}: a new "
            "group does not always begin at the first message, and one poll() may not return everything"
        )
    if not read:
        return f"all messages are there, but the broker knows no committed offset of the group {group}"
    if any(read.get(number, 0) != last for number, last in end.items()):
        return (
            f"all messages are there, but the group {group} has committed offset {sum(read.values())} instead of "
            f"{sum(end.values())}: commit after the last message, not before"
        )
    return None


@exercise
def rewound(offset: int, group: str, message: str, topic: str, cluster: Cluster) -> str | None:
    """Whether the group has committed the offset of a message in the topic's only partition, and nothing later."""
    if not isinstance(offset, int) or isinstance(offset, bool):
        return "an offset is a whole number"
    texts = {record.offset: text(record) for record in cluster.read(topic)}
    if texts.get(offset) != message:
        then = f"the group reads next {texts[offset]!r}" if offset in texts else "nothing is there"
        return f"with {offset} as committed offset, {then}"
    found, end = committed(cluster, topic, group).get(0), cluster.offsets(topic)[0]
    if found == offset:
        return None
    if found == end:
        return (
            f"{offset} is right, but the committed offset of {group} is {found}, the end: poll() moves the position, "
            "so commit before you read"
        )
    return (
        f"{offset} is right, but the broker has {found} as committed offset of {group}: seek() moves only the position "
        "of your consumer, and the broker does not know that position yet"
    )
