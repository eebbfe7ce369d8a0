"""Kafka client that sends messages at a steady rate, and fails unless the broker acknowledges all of them."""

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from kafka import KafkaProducer
from kafka.errors import KafkaError

from lib.errors import ProducerError
from lib.tweets import Message

# Measured: the defaults (batches of 16 KiB, sent at once) reach half as many messages per second.
BATCHING = {"linger_ms": 50, "batch_size": 1024**2, "compression_type": "lz4"}
SAFETY = {"acks": "all", "enable_idempotence": True, "reconnect_backoff_max_ms": 1000}
FLUSH_SECONDS = 60
REPORT_SECONDS = 1
UNACKNOWLEDGED = 100_000  # messages, about 30 MB: kafka-python itself does not limit what waits in memory

LOG = logging.getLogger(__name__)


class Delivery:
    """Counts of messages sent and acknowledged, and the first failure. The client's thread calls its callbacks."""

    def __init__(self) -> None:
        self.sent = self.acked = 0
        self.failure: Exception | None = None
        self.began = time.monotonic()

    def acknowledged(self, _) -> None:
        self.acked += 1

    def failed(self, error: Exception) -> None:
        self.failure = self.failure or error

    def full(self) -> bool:
        """Whether the limit of unacknowledged messages is reached."""
        return self.sent - self.acked >= UNACKNOWLEDGED and not self.failure

    def summary(self) -> dict[str, float]:
        """{sent, acked, seconds, per_second}: messages, seconds since the start, messages acknowledged per second."""
        seconds = max(time.monotonic() - self.began, 0.001)
        rate = round(self.acked / seconds, 1)
        return {"sent": self.sent, "acked": self.acked, "seconds": round(seconds, 3), "per_second": rate}

    def report(self, done: threading.Event) -> None:
        """Log the summary now and once a second until `done` is set. In a thread, so that a stall is logged too."""
        LOG.info(json.dumps(self.summary()))
        while not done.wait(REPORT_SECONDS):
            LOG.info(json.dumps(self.summary()))


def send(
    messages: Iterable[Message],
    topic: str,
    bootstrap_servers: str,
    rate: float,
    stop: threading.Event,
    duration: float | None = None,
    **configs: object,
) -> Delivery:
    """Send until the messages or the `duration` in seconds end, or `stop` is set; then wait for acknowledgements.

    `configs` are options of KafkaProducer besides BATCHING and SAFETY. The summary is logged once a second. Raises
    ProducerError if a message was not acknowledged.
    """
    client = KafkaProducer(bootstrap_servers=bootstrap_servers, **(BATCHING | SAFETY | configs))
    delivery, done = Delivery(), threading.Event()
    threading.Thread(target=delivery.report, args=(done,), daemon=True).start()
    try:
        for key, value in paced(messages, rate, stop, duration, full=delivery.full):
            if delivery.failure:
                break
            client.send(topic, value, key).add_callback(delivery.acknowledged).add_errback(delivery.failed)
            delivery.sent += 1
        client.flush(timeout=FLUSH_SECONDS)
    except KafkaError as error:  # no answer within the client's time limit or the flush's
        delivery.failed(error)
    finally:
        done.set()
    if delivery.failure:
        abort(client)
    client.close()
    if delivery.failure or delivery.acked < delivery.sent:
        forbidden = "AuthorizationFailed" in repr(delivery.failure)  # not always an AuthorizationError
        raise ProducerError(
            f"{delivery.sent - delivery.acked} of {delivery.sent} messages were not acknowledged: {delivery.failure!r}",
            "ask whoever runs the broker to let you write" if forbidden
            else "check that the broker is up: python -m lib.infra status",
            sent=delivery.sent, acked=delivery.acked, failure=delivery.failure,
        )  # fmt: skip
    return delivery


def paced(
    messages: Iterable[Message], rate: float, stop: threading.Event, duration: float | None, full: Callable[[], bool]
) -> Iterator[Message]:
    """Yield message i when it is due, i/rate seconds after the first, until `stop` is set or `duration` is over.

    Each due time counts from the start, not from the message before. So the rate does not drift, and messages that are
    overdue after a stall follow at once. While `full()`, the next one waits: back-pressure. Rate 0 has no pauses.
    """
    began = time.monotonic()
    end = began + (math.inf if duration is None else duration)
    for number, message in enumerate(messages):
        due = began + number / rate if rate else began
        if due > time.monotonic():  # the end may come before a message is due
            stop.wait(min(due, end) - time.monotonic())
        while full() and not stop.is_set() and time.monotonic() < end:
            stop.wait(0.01)
        if stop.is_set() or max(due, time.monotonic()) >= end:
            return
        yield message


def abort(client: KafkaProducer) -> None:
    """Fail what was not acknowledged, so that the client can be closed.

    Uses a private attribute of kafka-python (tried with 3.0.12). close(timeout=0) does not replace it: it raises
    KafkaTimeoutError while messages wait, and leaves a thread that still tries to send them.
    """
    client._sender.force_close()
