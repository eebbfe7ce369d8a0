"""Two clients that send messages to a topic as fast as they can: kafka-python, and confluent-kafka."""

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Producer
from kafka import KafkaProducer

from lib.topics import Cluster
from lib.tweets import Message

SECONDS = 60


def kafka_python(
    cluster: Cluster, topic: str, messages: Sequence[Message], options: Mapping[str, object], wait: bool = False
) -> float:
    """Send with options of KafkaProducer, and wait for each message or only at the end; the seconds for a message."""
    with KafkaProducer(bootstrap_servers=cluster.address, **cluster.security.client(), **options) as client:
        client.send(topic, b"connect before the clock starts").get(timeout=SECONDS)
        began = time.monotonic()
        for key, value in messages:
            future = client.send(topic, value, key)
            if wait:
                future.get(timeout=SECONDS)
        client.flush(timeout=SECONDS)
        return (time.monotonic() - began) / len(messages)


def confluent(cluster: Cluster, topic: str, messages: Sequence[Message], options: Mapping[str, object]) -> float:
    """The same with confluent-kafka, and the options of that client; waits only at the end."""
    client = Producer({"bootstrap.servers": cluster.address, **cluster.security.librdkafka(), **options})
    client.list_topics(topic, timeout=SECONDS)  # connects before the clock starts
    began = time.monotonic()
    for key, value in messages:
        client.produce(topic, value, key)
    left = client.flush(SECONDS)
    assert not left, f"{left} messages were not acknowledged"
    return (time.monotonic() - began) / len(messages)
