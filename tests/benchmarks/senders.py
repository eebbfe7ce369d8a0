"""Programs that are measured: ways to make tweets and to send them. Each prints how many per second, as JSON.

`python -m tests.benchmarks.senders WAY --count N --topic T --bootstrap-servers B`. The time starts with the first
message and ends with the last acknowledgement; a way on ready messages makes them before.
"""

import argparse
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from kafka import KafkaProducer

from lib import tweets
from lib.errors import run
from lib.producer import BATCHING, SAFETY
from lib.producer.client import send


def tutorial(count: int, topic: str, address: str) -> Callable[[], None]:
    """The loop that tutorials show: Faker, json.dumps, send, with the client's defaults."""
    from faker import Faker  # pip install -e '.[bench]'

    fake = Faker()
    client = KafkaProducer(bootstrap_servers=address, value_serializer=lambda tweet: json.dumps(tweet).encode())

    def work() -> None:
        for number in range(count):
            tweet = {
                "id": number,
                "user": fake.user_name(),
                "text": f"{fake.sentence()} #{fake.word()}",
                "lang": "en",
                "created_at": datetime.now(UTC).isoformat(),
                "retweets": fake.random_int(0, 100),
            }
            client.send(topic, tweet)
        client.flush()

    return work


def ready(count: int, topic: str, address: str) -> Callable[[], None]:
    """kafka-python at its own limit: messages that are there, options for throughput, no look at acknowledgements."""
    client, messages = (
        KafkaProducer(bootstrap_servers=address, **BATCHING, **SAFETY),
        list(tweets.stream(count, rate=0)),
    )

    def work() -> None:
        for key, value in messages:
            client.send(topic, value, key)
        client.flush()

    return work


def ready_confluent(count: int, topic: str, address: str) -> Callable[[], None]:
    """The producer's own loop with confluent-kafka, on messages that are there."""
    messages = list(tweets.stream(count, rate=0))
    return lambda: send(messages, topic, address, 0, threading.Event(), client="confluent")


def generator(count: int, *_) -> Callable[[], None]:
    """Only make the tweets."""
    return lambda: deque(tweets.stream(count, rate=0), maxlen=0)


WAYS = {"tutorial": tutorial, "ready": ready, "ready-confluent": ready_confluent, "generator": generator}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.senders", description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--topic")
    parser.add_argument("--bootstrap-servers")
    options = parser.parse_args()
    work = WAYS[options.way](options.count, options.topic, options.bootstrap_servers)
    began = time.monotonic()
    work()
    print(json.dumps({"per_second": options.count / (time.monotonic() - began)}))


if __name__ == "__main__":
    run(main)
