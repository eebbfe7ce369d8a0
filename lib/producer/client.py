"""Sending of messages at a steady rate, by one of two clients; fails unless the broker acknowledges all of them."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from lib.errors import ProducerError
from lib.producer.confluent import Confluent
from lib.producer.kafka_python import KafkaPython
from lib.security import OPEN, Security
from lib.tweets import Message

CLIENTS = {"kafka-python": KafkaPython, "confluent": Confluent}
FLUSH_SECONDS = 60
UNPACED = 100  # messages without a pause that are sent between two looks at the clock


def send(
    messages: Iterable[Message],
    topic: str,
    bootstrap_servers: str,
    rate: float,
    stop: threading.Event,
    duration: float | None = None,
    client: str = "kafka-python",
    security: Security = OPEN,
    **configs: object,
) -> dict[str, float]:
    """Send until the messages or the `duration` in seconds end, or `stop` is set; then wait for acknowledgements.

    `client` is one of CLIENTS, `configs` are further options of it. Returns the summary {sent, acked, seconds,
    per_second}, which is also logged once a second. Raises ProducerError if a message was not acknowledged.
    """
    delivery, done = CLIENTS[client](bootstrap_servers, security, **configs), threading.Event()
    reporter = threading.Thread(target=delivery.report, args=(done,), daemon=True)
    reporter.start()
    try:
        for group in paced(messages, rate, stop, duration, full=delivery.full):
            if delivery.failure:
                break
            delivery.send(topic, group)
        delivery.flush(FLUSH_SECONDS)
    except delivery.ERRORS as error:  # no answer within the client's time limit or the flush's
        delivery.failed(error)
    finally:
        done.set()
    reporter.join()  # it asks the client, which must not be closed yet
    if delivery.failure:
        delivery.abort()
    summary, failure = delivery.summary(), delivery.failure
    delivery.close()
    if failure or summary["acked"] < summary["sent"]:
        raise not_acknowledged(summary["sent"], summary["acked"], failure)
    return summary


def not_acknowledged(sent: int, acked: int, failure: Exception | None) -> ProducerError:
    """The error for messages that were sent and not acknowledged, with the client's own error."""
    words = ("AuthorizationFailed", "AUTHORIZATION_FAILED")  # of the two clients
    forbidden = any(word in repr(failure) for word in words)
    return ProducerError(
        f"{sent - acked} of {sent} messages were not acknowledged: {failure!r}",
        "ask whoever runs the broker to let you write" if forbidden
        else "check that the broker is up: python -m lib.infra status",
        sent=sent, acked=acked, failure=failure,
    )  # fmt: skip


def paced(
    messages: Iterable[Message], rate: float, stop: threading.Event, duration: float | None, full: Callable[[], bool]
) -> Iterator[Iterable[Message]]:
    """Yield message i when it is due, i/rate seconds after the first, until `stop` is set or `duration` is over.

    Each due time counts from the start, not from the message before. So the rate does not drift, and messages that are
    overdue after a stall follow at once. While `full()`, the next one waits: back-pressure. Each comes in a group of
    its own. Rate 0 has no pauses, and groups of a hundred, because at this speed it takes a while to find out whether
    one may be sent.
    """
    began = time.monotonic()
    end = began + (math.inf if duration is None else duration)
    source = iter(messages)
    for number, message in enumerate(source):
        due = began + number / rate if rate else began
        if due > time.monotonic():  # the end may come before a message is due
            stop.wait(min(due, end) - time.monotonic())
        while full() and not stop.is_set() and time.monotonic() < end:
            stop.wait(0.01)
        if stop.is_set() or max(due, time.monotonic()) >= end:
            return
        yield (message,) if rate else chain((message,), islice(source, UNPACED - 1))
