"""Kafka cluster: its topics, their partitions, offsets and messages."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import (
    InvalidReplicationFactorError,
    InvalidTopicError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from lib.errors import BrokerError, TopicError
from lib.topics.connection import Connection
from lib.topics.refusal import REFUSED, refusal
from lib.wait import wait_until

DELETE_SECONDS = 60  # a deleted topic stays in the metadata for a moment
EARLIEST, LATEST = -2, -1  # Kafka's constants in a request of offsets
COMMITTED = {"isolation_level": "read_committed", "enable_auto_commit": False, "auto_offset_reset": "none"}
# Kafka's timestamp is then the broker's time, not that of the sender, whose clock may be wrong.
BROKERS_CLOCK = {"message.timestamp.type": "LogAppendTime"}


class Record(NamedTuple):
    """One message as the broker stores it; `timestamp` is Kafka's own, in milliseconds since 1970 UTC."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Partition(NamedTuple):
    """A partition and the numbers of the brokers that have it; `leader` is None while there is none."""

    topic: str
    number: int
    leader: int | None
    replicas: list[int]
    in_sync: list[int]

    def __str__(self) -> str:
        leader = "none" if self.leader is None else self.leader
        replicas, in_sync = (",".join(map(str, numbers)) for numbers in (self.replicas, self.in_sync))
        return f"{self.topic}, partition {self.number}: leader {leader}, replicas {replicas}, in sync {in_sync}"


class Cluster(Connection):
    """A cluster's topics and messages; `Connection` says how it is asked, and what every method may raise."""

    _reader: KafkaConsumer | None = None

    def close(self) -> None:
        """Close the connections. Safe to call twice; the next request reopens them."""
        with self._lock:
            reader, self._reader = self._reader, None
            if reader:
                reader.close()
            super().close()

    def names(self) -> list[str]:
        """The topics' names in alphabetical order, without Kafka's internal ones."""
        return sorted(name for name in self.ask(lambda client: client.list_topics()) if not name.startswith("__"))

    def partitions(self) -> list[Partition]:
        """The partitions of all topics but Kafka's internal ones, with their leaders, replicas and in-sync replicas."""
        found = [
            Partition(
                topic["name"],
                each["partition_index"],
                each["leader_id"] if each["leader_id"] >= 0 else None,  # -1: none
                each["replica_nodes"],
                sorted(each["isr_nodes"]),
            )
            for topic in self.ask(lambda client: client.describe_topics())
            if not topic["name"].startswith("__")
            for each in topic["partitions"]
        ]
        return sorted(found)

    def create(self, topic: str, partitions: int | None = None, replication_factor: int | None = None) -> bool:
        """Create a topic and wait until it can be written; True if it was created, False if it existed already.

        What is not given is the broker's default for a new topic, and may be anything for an existing one. Raises
        TopicError if it exists with another number of partitions or replicas, its name is not allowed, or there are
        fewer brokers than replicas.
        """
        # -1: the broker's default.
        numbers = {"num_partitions": partitions or -1, "replication_factor": replication_factor or -1}
        new = {topic: numbers | {"configs": BROKERS_CLOCK}}

        def create(client: KafkaAdminClient) -> bool:
            try:
                client.create_topics(new, wait_for_metadata=True)
                return True
            except InvalidTopicError:
                raise TopicError(
                    f"{topic!r} is not a valid topic name", "use letters, digits, '.', '_' and '-'", topic=topic
                ) from None
            except InvalidReplicationFactorError:
                raise TopicError(
                    f"topic {topic} cannot have {replication_factor} replicas: fewer brokers run",
                    "use a smaller --replication-factor, or more brokers: python -m lib.infra up --brokers 3",
                    topic=topic, replication_factor=replication_factor,
                ) from None  # fmt: skip
            except TopicAlreadyExistsError:
                return False

        created = self.ask(create)
        if not created:
            self._check(topic, partitions=partitions, replicas=replication_factor)
        return created

    def _check(self, topic: str, **asked: int | None) -> None:
        """TopicError unless an existing topic has the numbers of partitions and replicas that are asked for."""
        places = self._describe(topic)["partitions"]
        found = {"partitions": len(places), "replicas": len(places[0]["replica_nodes"])}
        for name, number in asked.items():
            if number and number != found[name]:
                raise TopicError(
                    f"topic {topic} already exists, with {found[name]} {name} instead of {number}",
                    f"use it as it is, or delete it with all its messages: python -m lib.topics delete {topic}",
                    topic=topic, **{name: found[name]},
                )  # fmt: skip

    def delete(self, topic: str) -> bool:
        """Delete a topic with all its messages and wait until it is gone; False if it did not exist."""
        try:
            self.ask(lambda client: client.delete_topics([topic]))
        except TopicError:
            return False
        wait_until(lambda: topic not in self.ask(lambda client: client.list_topics()), DELETE_SECONDS)
        return True

    def wait_for_topic(self, topic: str) -> None:
        """Wait until the broker knows the topic: one that has just started answers while it still loads its topics.

        Raises TopicError if it does not know the topic after `answer_seconds`.
        """
        with suppress(TimeoutError):
            wait_until(lambda: topic in self.ask(lambda client: client.list_topics()), self.answer_seconds, every=0.2)
        self._describe(topic)

    def configuration(self, topic: str, name: str) -> str:
        """The value of a topic's configuration, such as "message.timestamp.type"; TopicError if there is none."""
        place = ConfigResource(ConfigResourceType.TOPIC, topic)
        found = self.ask(lambda client: client.describe_configs([place], config_filter="all"))["topic"][topic]
        if name not in found:
            raise TopicError(
                f"a topic has no configuration {name!r}", f"use one of: {', '.join(sorted(found))}", name=name
            )
        return found[name]["value"]

    def alter(self, topic: str, name: str, value: str) -> None:
        """Change a topic's configuration; TopicError if there is none of that name, or the broker refuses the value."""
        self.configuration(topic, name)
        change = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})

        answer = self.ask(lambda client: client.alter_configs([change]))["topic"][topic]  # "OK", or the error as a text
        if TopicAuthorizationFailedError.__name__ in answer:
            raise refusal(TopicAuthorizationFailedError(topic), self.address, self.security)
        if answer != "OK":
            raise TopicError(f"the broker refuses {name}={value}", answer, name=name, value=value)

    def topic_id(self, topic: str) -> str:
        """The topic's unique id, which changes when it is deleted and recreated. TopicError if it does not exist."""
        return str(self._describe(topic).get("topic_id", ""))

    def offsets(self, topic: str, at: str = "latest") -> dict[int, int]:
        """{partition: offset} of the "earliest" message stored, or "latest": where the next message will go.

        Raises TopicError if the topic does not exist.
        """
        count = len(self._describe(topic)["partitions"])
        when = {TopicPartition(topic, number): {"earliest": EARLIEST, "latest": LATEST}[at] for number in range(count)}
        found = self.ask(lambda client: client.list_partition_offsets(when))
        return {place.partition: answer.offset for place, answer in sorted(found.items())}

    def _describe(self, topic: str) -> dict:
        (found,) = self.ask(lambda client: client.describe_topics([topic]))
        if found["error_code"] == TopicAuthorizationFailedError.errno:
            raise refusal(TopicAuthorizationFailedError(topic), self.address, self.security)
        if found["error_code"] or not found["partitions"]:
            raise TopicError(
                f"topic {topic} does not exist",
                f"create it: python -m lib.topics create {topic}; list the topics: python -m lib.topics list",
                topic=topic,
            )
        return found

    def read(
        self, topic: str, start: dict[int, int] | None = None, end: dict[int, int] | None = None
    ) -> Iterator[Record]:
        """The messages from `start` (default: the earliest stored) up to, not including, `end` (default: the latest).

        In offset order within a partition; those of aborted transactions are left out. Raises BrokerError if nothing
        arrives for `answer_seconds`, and AccessError if the user may see the topic but not read it.
        """
        start, end = start or self.offsets(topic, "earliest"), end or self.offsets(topic)
        consumer = self._consumer()
        try:
            todo = {TopicPartition(topic, number): last for number, last in end.items() if start[number] < last}
            consumer.assign(list(todo))
            for place in todo:
                consumer.seek(place, start[place.partition])
            heard = time.monotonic()
            while todo:
                for place, messages in consumer.poll(timeout_ms=200).items():
                    for m in messages:
                        if m.offset < end[place.partition]:
                            yield Record(m.partition, m.offset, m.timestamp, m.key, m.value)
                    heard = time.monotonic()  # after the `yield`, during which the caller may have taken a while
                # By position, not by the last message: the end may be a transaction's marker, which is never delivered.
                for place in [place for place, last in todo.items() if consumer.position(place) >= last]:
                    consumer.pause(place)
                    del todo[place]
                if todo and time.monotonic() - heard > self.answer_seconds:
                    raise BrokerError(
                        f"the broker stopped sending messages of {topic} while it was read",
                        "check that the broker is up: python -m lib.infra status",
                        topic=topic,
                    )
        except REFUSED as error:
            raise refusal(error, self.address, self.security) from None
        finally:
            consumer.close()

    def oldest(self, topic: str, start: dict[int, int]) -> int | None:
        """The oldest of Kafka's timestamps (ms) among the messages at {partition: offset}.

        None if no message arrives within a second.
        """
        with self._lock:
            try:
                self._reader = self._reader or self._consumer(max_partition_fetch_bytes=1, max_poll_records=1)
                found = [self._first(TopicPartition(topic, number), offset) for number, offset in start.items()]
            except KafkaError:
                self.close()
                return None
        return min(filter(None, found), default=None)

    def _consumer(self, **options: int) -> KafkaConsumer:
        return KafkaConsumer(bootstrap_servers=self.address, **self.security.client(), **COMMITTED, **options)

    def _first(self, place: TopicPartition, offset: int) -> int | None:
        self._reader.assign([place])
        self._reader.seek(place, offset)
        polled = self._reader.poll(timeout_ms=1000).values()
        return next((messages[0].timestamp for messages in polled), None)

    def describe(self, topic: str) -> str:
        """A line for the topic, and one for each partition: its earliest and latest offset."""
        first, last = self.offsets(topic, "earliest"), self.offsets(topic)
        lines = [f"{topic}: {len(last)} partition(s), {sum(last.values()) - sum(first.values())} message(s)"]
        return "\n".join(lines + [f"  partition {p}: offsets {first[p]} to {last[p]}" for p in last])
