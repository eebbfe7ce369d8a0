"""Lesson 01: the hints of its exercises, and the members of a group that share a topic."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from lib.course.exercises import UNANSWERED, lesson_01
from lib.course.members import settled

TEXTS = ["one", "two", "three", "four", "five"]
ONCE = ["five", "four", "one", "three", "two"]


@pytest.fixture
def filled(cluster, topic, send):
    """A topic with one partition and five messages."""
    cluster.delete(topic)
    cluster.create(topic, partitions=1)
    send([text.encode() for text in TEXTS])
    return topic


@pytest.fixture
def commit(settings, filled):
    """Commit an offset for a group."""

    def commit(group: str, offset: int) -> None:
        with KafkaConsumer(bootstrap_servers=settings.bootstrap_servers, group_id=group) as consumer:
            place = TopicPartition(filled, 0)
            consumer.assign([place])
            consumer.commit({place: OffsetAndMetadata(offset, "", -1)})

    return commit


@pytest.mark.parametrize(
    "group, at, received, hint",
    [
        (5, None, [], "is a text"),
        ("dashboard", None, [], "has read before"),
        ("nothing-a", 5, [], "What decides where a group begins?"),
        ("nothing-b", None, [], "received 0 of 5 messages"),
        ("part", 4, TEXTS[:4], "received 4 of 5 messages, and not 'five'"),
        ("twice", 5, [*TEXTS, "two"], "'two' is in your list, more than once"),
        ("other", 5, [*TEXTS, "six"], "'six' is in your list, but it is not a message"),
        ("uncommitted", None, TEXTS, "knows no committed offset"),
        ("early", 3, TEXTS, "has committed offset 3 instead of 5"),
        ("texts", 5, TEXTS, "Correct."),
        ("bytes", 5, [text.encode() for text in ONCE], "Correct."),
    ],
)
def test_own_group(cluster, filled, commit, group, at, received, hint):
    if at is not None:
        commit(group, at)
    assert hint in lesson_01.own_group(group, received, filled, ["dashboard", "archive"], cluster).text


def test_own_group_takes_the_records_themselves(cluster, filled, commit):
    commit("records", 5)
    assert lesson_01.own_group("records", list(cluster.read(filled)), filled, ["dashboard"], cluster)
    assert lesson_01.own_group(..., [], filled, ["dashboard"], cluster) is UNANSWERED


@pytest.mark.parametrize(
    "at, offset, hint",
    [
        (4, "1", "a whole number"),
        (4, True, "a whole number"),
        (4, 0, "the group reads next 'one'"),
        (4, 2, "the group reads next 'three'"),
        (4, 5, "nothing is there"),
        (4, 1, "seek() moves only the position"),
        (5, 1, "poll() moves the position"),
        (None, 1, "seek() moves only the position"),
        (1, 1, "Correct."),
    ],
)
def test_rewound(cluster, filled, commit, at, offset, hint):
    if at is not None:
        commit("rewound", at)
    assert hint in lesson_01.rewound(offset, "rewound", "two", filled, cluster).text


def test_the_broker_says_who_has_which_partitions(cluster, topic, settings):
    def join(name: str) -> KafkaConsumer:
        servers, options = settings.bootstrap_servers, {"heartbeat_interval_ms": 200}
        return KafkaConsumer(topic, bootstrap_servers=servers, client_id=name, group_id="sharing", **options)

    def polled(*members: KafkaConsumer):
        """Let each member poll in a thread of its own while the broker is asked."""
        stop = threading.Event()

        def poll(member: KafkaConsumer) -> None:
            while not stop.is_set():
                member.poll(timeout_ms=1000)  # kafka-python 3.0.12 can hang when many polls time out

        with ThreadPoolExecutor() as pool:
            for member in members:
                pool.submit(poll, member)
            try:
                return settled(cluster, topic, "sharing", {member.config["client_id"] for member in members})
            finally:
                stop.set()

    with join("ben") as ben:
        assert polled(ben) == {"ben": [0, 1]}
        with join("ana") as ana:
            assert polled(ana, ben) == {"ana": [0], "ben": [1]}
            with pytest.raises(TimeoutError):
                settled(cluster, topic, "sharing", {"ana", "ben", "carla"}, seconds=0.2)
        assert polled(ben) == {"ben": [0, 1]}
