"""Delivery of messages by a Kafka client: what it has sent, what the broker has acknowledged, and the first failure."""

import json
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable

from lib.tweets import Message

# Measured: the defaults (batches of 16 KiB, sent at once) reach half as many messages per second.
BATCHING = {"linger_ms": 50, "batch_size": 1024**2, "compression_type": "lz4"}
SAFETY = {"acks": "all", "enable_idempotence": True, "reconnect_backoff_max_ms": 1000}
REPORT_SECONDS = 1
UNACKNOWLEDGED = 100_000  # messages, about 30 MB: the clients' own limits are none, or much higher

LOG = logging.getLogger(__name__)


class Delivery(ABC):
    """Messages on their way through one client. A subclass is the client of a library, connected to a broker.

    It counts in `acked`, at the latest when that is read, and calls `failed`. Its methods raise one of its ERRORS, an
    exception of the library, if there is no answer within their time limit.
    """

    ERRORS: tuple[type[Exception], ...]
    acked: int

    def __init__(self) -> None:
        self.sent = 0
        self.failure: Exception | None = None
        self.began = time.monotonic()

    @abstractmethod
    def send(self, topic: str, messages: Iterable[Message]) -> None:
        """Put messages into the client's next batches, and count each in `sent` after that."""

    @abstractmethod
    def flush(self, seconds: float) -> None:
        """Send what waits, and wait until all is acknowledged or has failed."""

    @abstractmethod
    def abort(self) -> None:
        """Fail what is not acknowledged yet, so that the client can be closed."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections. What is sent must be flushed or aborted before."""

    def failed(self, error: Exception) -> None:
        self.failure = self.failure or error

    def full(self) -> bool:
        """Whether the limit of unacknowledged messages is reached."""
        return self.sent - self.acked >= UNACKNOWLEDGED and not self.failure

    def summary(self) -> dict[str, float]:
        """{sent, acked, seconds, per_second}: messages, seconds since the start, messages acknowledged per second."""
        seconds, acked = max(time.monotonic() - self.began, 0.001), self.acked
        rate = round(acked / seconds, 1)
        return {"sent": self.sent, "acked": acked, "seconds": round(seconds, 3), "per_second": rate}

    def report(self, done: threading.Event) -> None:
        """Log the summary now and once a second until `done` is set. In a thread, so that a stall is logged too."""
        LOG.info(json.dumps(self.summary()))
        while not done.wait(REPORT_SECONDS):
            LOG.info(json.dumps(self.summary()))
