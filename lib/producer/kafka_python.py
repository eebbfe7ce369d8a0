"""Delivery by kafka-python, a client in pure Python: its own thread sends, and calls back for each message."""

from collections.abc import Iterable

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.partitioner import DefaultPartitioner

from lib.producer.delivery import BATCHING, SAFETY, Delivery
from lib.security import Security
from lib.tweets import Message


class KafkaPython(Delivery):
    """`configs` are options of KafkaProducer besides BATCHING and SAFETY."""

    ERRORS = (KafkaError,)

    def __init__(self, bootstrap_servers: str, security: Security, **configs: object) -> None:
        super().__init__()
        self.acked = 0
        options = BATCHING | SAFETY | {"partitioner": RememberingPartitioner()} | security.client() | configs
        self._client = KafkaProducer(bootstrap_servers=bootstrap_servers, **options)

    def acknowledged(self, _) -> None:
        self.acked += 1

    def send(self, topic: str, messages: Iterable[Message]) -> None:
        for key, value in messages:
            self._client.send(topic, value, key).add_callback(self.acknowledged).add_errback(self.failed)
            self.sent += 1

    def flush(self, seconds: float) -> None:
        self._client.flush(timeout=seconds)

    def abort(self) -> None:
        """Uses a private attribute of kafka-python (tried with 3.0.12).

        close(timeout=0) does not replace it: it raises KafkaTimeoutError while messages wait, and leaves a thread that
        still tries to send them.
        """
        self._client._sender.force_close()

    def close(self) -> None:
        self._client.close()


class RememberingPartitioner(DefaultPartitioner):
    """The default partitioner, which computes the hash of a key only once: in pure Python that takes a while."""

    def __init__(self) -> None:
        self._known: dict[tuple, int] = {}

    def partition(self, topic, key, serialized_key, value, serialized_value, cluster) -> int:
        place = (topic, serialized_key, len(cluster.partitions_for_topic(topic) or ()))
        if place not in self._known:
            self._known[place] = super().partition(topic, key, serialized_key, value, serialized_value, cluster)
        return self._known[place]
