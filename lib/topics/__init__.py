"""The middle of the tweet's way: topics, their partitions and their offsets, made and read by hand.

`python -m lib.topics create|list|describe|read|delete` is the embedded twin of Kafka's own `kafka-topics` and
`kafka-console-consumer`.
"""

import argparse
import logging
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import InvalidTopicError, KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from lib.errors import BrokerError, SettingError, TopicError
from lib.settings import settings
from lib.wait import wait_until

logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what goes wrong is said by our own errors, once


class Record(NamedTuple):
    """One message as the broker keeps it; `timestamp` is Kafka's own, in milliseconds since 1970 UTC."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def answers(bootstrap_servers: str = settings.bootstrap_servers, seconds: float = 3) -> bool:
    """Whether a broker at that address answers a metadata request within `seconds`."""
    if not port_is_open(bootstrap_servers):
        return False
    try:
        with admin(bootstrap_servers, seconds) as client:
            client.list_topics()  # describe_cluster() breaks at Kafka 3.4: kafka-python misses a field of Kafka 3.7
            return True
    except BrokerError:
        return False


def advertised(bootstrap_servers: str = settings.bootstrap_servers, seconds: float = 3) -> list[str]:
    """The addresses to which the broker at that address sends its clients; none where no broker answers."""
    if not port_is_open(bootstrap_servers):
        return []
    try:
        with admin(bootstrap_servers, seconds) as client:
            # Known since its first question. describe_cluster() would ask anew, at what may be a wrong address.
            return [f"{broker.host}:{broker.port}" for broker in client._manager.cluster.brokers()]
    except BrokerError:
        return []


def port_is_open(bootstrap_servers: str = settings.bootstrap_servers) -> bool:
    """Whether anything at all accepts a TCP connection at one of the addresses."""
    for address in addresses(bootstrap_servers):
        try:
            socket.create_connection(address, timeout=2).close()
            return True
        except OSError:
            continue
    return False


def addresses(bootstrap_servers: str) -> list[tuple[str, int]]:
    """(host, port) of each address; SettingError where one is no address."""
    parts = [address.rpartition(":") for address in bootstrap_servers.split(",")]
    for host, _, port in parts:
        if not host or not port.isdigit():
            raise SettingError(
                f"{bootstrap_servers!r} is not host:port", "give the broker's address, such as localhost:9092"
            )
    return [(host, int(port)) for host, _, port in parts]


def require_broker(bootstrap_servers: str = settings.bootstrap_servers) -> None:
    """BrokerError unless a broker answers within `settings.answer_seconds`."""
    with admin(bootstrap_servers):
        pass


@contextmanager
def admin(
    bootstrap_servers: str = settings.bootstrap_servers, seconds: float = settings.answer_seconds
) -> Iterator[KafkaAdminClient]:
    """An admin client; BrokerError where no broker answers within `seconds`, TopicError where a topic is not there."""
    addresses(bootstrap_servers)
    try:
        client = KafkaAdminClient(bootstrap_servers=bootstrap_servers, bootstrap_timeout_ms=int(seconds * 1000))
    except KafkaError:
        raise BrokerError(
            f"no broker answers at {bootstrap_servers} (tried for {seconds:g} s)",
            "start one: make up (or: python -m lib.infra up); or name another: STREAM_BOOTSTRAP_SERVERS=host:port",
        ) from None
    try:
        with client:
            yield client
    except UnknownTopicOrPartitionError:
        raise TopicError("there is no such topic", "see which there are: python -m lib.topics list") from None
    except KafkaError as error:
        raise BrokerError(
            f"the broker at {bootstrap_servers} refused: {error}", "see build/broker/broker.log"
        ) from None


def create(topic: str = settings.topic, partitions: int | None = None, configs: dict | None = None) -> bool:
    """Create a topic and wait until it can be written; True if it was made, False if it was there already.

    Without `partitions` a topic that is there is taken as it is; TopicError where it has another number of partitions
    than asked for, or its name is not allowed.
    """
    with admin() as client:
        try:
            new = {
                topic: {
                    "num_partitions": partitions or settings.partitions,
                    "replication_factor": 1,
                    "configs": configs or {},
                }
            }
            client.create_topics(new, wait_for_metadata=True)
            return True
        except InvalidTopicError:
            raise TopicError(f"{topic!r} cannot be a topic's name", "use letters, digits, '.', '_' and '-'") from None
        except TopicAlreadyExistsError:
            there = partition_count(client, topic)
    if partitions and there != partitions:
        raise TopicError(
            f"topic {topic} is there already, with {there} partition(s) instead of {partitions}",
            f"use it as it is, or remove it with all its messages: python -m lib.topics delete {topic}",
        )
    return False


def partition_count(client: KafkaAdminClient, topic: str) -> int:
    """How many partitions the topic has; TopicError where it is not there."""
    count = sum(len(t["partitions"]) for t in client.describe_topics([topic]) if not t["error_code"])
    if not count:
        raise TopicError(
            f"topic {topic} is not there",
            f"create it: python -m lib.topics create {topic}; see which there are: python -m lib.topics list",
        )
    return count


def identity(topic: str = settings.topic, bootstrap_servers: str = settings.bootstrap_servers) -> str:
    """The topic's unique id: another one if it was deleted and made again. TopicError where it is not there."""
    with admin(bootstrap_servers) as client:
        partition_count(client, topic)
        return str(client.describe_topics([topic])[0].get("topic_id", ""))


def names() -> list[str]:
    """The topics' names in alphabetical order, Kafka's internal ones left out."""
    with admin() as client:
        return sorted(name for name in client.list_topics() if not name.startswith("__"))


def offsets(
    topic: str = settings.topic,
    at: str = "latest",
    bootstrap_servers: str = settings.bootstrap_servers,
    seconds: float = settings.answer_seconds,
) -> dict[int, int]:
    """{partition: offset} at the "earliest" message kept, or "latest": where the next message will go.

    Raises TopicError where the topic is not there, BrokerError where no broker answers within `seconds`.
    """
    with admin(bootstrap_servers, seconds) as client:
        partitions = range(partition_count(client, topic))
        when = {TopicPartition(topic, number): {"earliest": -2, "latest": -1}[at] for number in partitions}
        return {place.partition: found.offset for place, found in sorted(client.list_partition_offsets(when).items())}


def read(
    topic: str = settings.topic, start: dict[int, int] | None = None, end: dict[int, int] | None = None
) -> Iterator[Record]:
    """The messages from `start` (default: the earliest kept) up to, not including, `end` (default: the latest now).

    In offset order within a partition. Raises BrokerError if nothing comes for `settings.answer_seconds`.
    """
    start, end = start or offsets(topic, "earliest"), end or offsets(topic)
    consumer = KafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="none"
    )
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
                heard = time.monotonic()  # after the reader, who may have taken a while
            # By position, not by the last message: the end may be a transaction's marker, which is never delivered.
            for place in [place for place, last in todo.items() if consumer.position(place) >= last]:
                consumer.pause(place)
                del todo[place]
            if todo and time.monotonic() - heard > settings.answer_seconds:
                raise BrokerError(
                    f"{topic} stopped answering while it was read",
                    "see whether the broker is up: python -m lib.infra status",
                )
    finally:
        consumer.close()


def delete(topic: str = settings.topic) -> bool:
    """Delete a topic with all its messages and wait until it is gone; False where it was not there."""
    with admin() as client:
        try:
            client.delete_topics([topic])
        except UnknownTopicOrPartitionError:
            return False
        wait_until(lambda: topic not in client.list_topics(), seconds=settings.ready_seconds)
    return True


def describe(topic: str) -> str:
    """A line for each partition: its earliest and latest offset and the number of messages between."""
    first, last = offsets(topic, "earliest"), offsets(topic)
    lines = [f"{topic}: {len(last)} partition(s), {sum(last.values()) - sum(first.values())} message(s)"]
    return "\n".join(lines + [f"  partition {p}: offsets {first[p]} to {last[p]}" for p in last])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.topics", description="Topics, made and read by hand.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the topics' names")
    for name, text in {
        "create": "create a topic, and wait until it can be written",
        "describe": "partitions and offsets",
        "read": "print the messages that are there: partition, offset, key, value",
        "delete": "delete a topic with all its messages",
    }.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("topic", nargs="?", default=settings.topic)
        if name == "create":
            command.add_argument("--partitions", type=int, metavar="N", help=f"default: {settings.partitions}")
        if name == "read":
            command.add_argument("--max", type=int, metavar="N", help="only the first N messages")
    options = parser.parse_args()
    for name, least in {"partitions": 1, "max": 0}.items():
        if (number := getattr(options, name, None)) is not None and number < least:
            raise SettingError(f"--{name} {number} is below {least}", f"give {least} or more, or leave it away")
    if options.command == "list":
        print("\n".join(names()))
    elif options.command == "create":
        made = create(options.topic, options.partitions)
        print(f"topic {options.topic}: " + ("created" if made else "was there already"))
    elif options.command == "describe":
        print(describe(options.topic))
    elif options.command == "delete":
        print(f"topic {options.topic}: " + ("deleted" if delete(options.topic) else "was not there"))
    else:
        try:
            for record in islice(read(options.topic), options.max):
                key, value = ((text or b"").decode("utf-8", "replace") for text in (record.key, record.value))
                print(record.partition, record.offset, key, value, sep="\t")
            sys.stdout.flush()
        except BrokenPipeError:  # `| head` has seen enough
            sys.stderr.close()


if __name__ == "__main__":
    main()
