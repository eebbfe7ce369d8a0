"""Delivery by confluent-kafka, a client around the C library librdkafka: several times as fast as kafka-python."""

import logging
import threading
import time
from collections.abc import Iterable

from lib.errors import SettingError
from lib.producer.delivery import BATCHING, SAFETY, Delivery
from lib.security import Security
from lib.tweets import Message

try:
    from confluent_kafka import KafkaError, KafkaException, Producer
except ImportError:  # it is an extra of the project
    Producer = None

# As kafka-python and Java have them; librdkafka's own defaults differ.
LIKE_OTHERS = {"partitioner": "murmur2_random", "delivery.timeout.ms": 120_000}
# It reports failures only, which saves a tenth of the time: what is neither waiting nor failed was acknowledged. The
# limit of what waits is that of Delivery.
OWN = {"delivery.report.only.error": True, "queue.buffering.max.messages": 0}
# Measured: smaller batches, sent sooner, reach a sixth more messages per second than those of BATCHING.
SMALLER = {"linger_ms": 5, "batch_size": 128 * 1024}
PURGE_SECONDS = 10  # until each message is reported as purged

LOG = logging.getLogger(__name__)


class Confluent(Delivery):
    """`configs` are options of Kafka with underscores, as KafkaProducer has them, besides BATCHING, SMALLER and
    SAFETY.

    Raises SettingError if confluent-kafka is not installed.
    """

    def __init__(self, bootstrap_servers: str, security: Security, **configs: object) -> None:
        if Producer is None:
            raise SettingError(
                "the client confluent-kafka is not installed",
                "in the course's folder: pip install -e '.[confluent]'; or use --client kafka-python",
                option="client", value="confluent",
            )  # fmt: skip
        super().__init__()
        self.ERRORS = (KafkaException, BufferError)
        options = BATCHING | SMALLER | SAFETY | {"bootstrap_servers": bootstrap_servers} | configs
        named = {name.replace("_", "."): value for name, value in options.items()}
        report = {"on_delivery": self._reported}
        self._client = Producer(LIKE_OTHERS | OWN | report | security.librdkafka() | named, logger=LOG)
        self._failures, self._lock = 0, threading.Lock()

    @property
    def acked(self) -> int:
        self._poll(0)
        return max(self.sent - self._failures - len(self._client), 0)  # while send() runs, it has one more

    def _poll(self, seconds: float) -> None:
        """Let the client call back. It raises the error of the whole client, such as a user without rights, here."""
        try:
            self._client.poll(seconds)
        except KafkaException as error:
            self.failed(error)

    def _reported(self, error: "KafkaError", _) -> None:
        with self._lock:  # two threads may let it call back
            self._failures += 1
        self.failed(KafkaException(error))

    def send(self, topic: str, messages: Iterable[Message]) -> None:
        produce = self._client.produce
        for key, value in messages:
            produce(topic, value, key)
            self.sent += 1

    def flush(self, seconds: float) -> None:
        """Not by its own flush(), which calls back even after it has to raise an error: Python is confused by that."""
        end = time.monotonic() + seconds
        while len(self._client) and not self.failure:
            if time.monotonic() > end:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"messages wait after {seconds:g} s"))
            self._poll(0.1)

    def abort(self) -> None:
        self._client.purge()
        end = time.monotonic() + PURGE_SECONDS
        while len(self._client) and time.monotonic() < end:
            self._poll(0.1)

    def close(self) -> None:
        self._client.close()
