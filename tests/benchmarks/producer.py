"""The producer beside the loop that tutorials show, and beside the clients alone: messages made and acknowledged."""

import argparse
import json
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec

from lib.errors import ProducerError
from lib.topics import Cluster
from tests.benchmarks.bench import Bench, Measured

SENDERS, PRODUCER = "tests.benchmarks.senders", "lib.producer"
# The name of each way, its command line, and its messages: a share of the backlog's.
WAYS = {
    "loop of tutorials: Faker, json.dumps, send": ([SENDERS, "tutorial"], 0.01),
    "kafka-python alone, messages ready": ([SENDERS, "ready"], 0.1),
    "lib.producer, kafka-python": ([PRODUCER, "--rate", 0, "--client", "kafka-python"], 0.1),
    "confluent-kafka alone, messages ready": ([SENDERS, "ready-confluent"], 0.5),
    "lib.producer, confluent": ([PRODUCER, "--rate", 0, "--client", "confluent"], 0.5),
    "generator alone": ([SENDERS, "generator"], 0.5),
}


def measure(bench: Bench, options: argparse.Namespace) -> Iterator[Measured]:
    """Messages per second of each way, and once more of the two clients of lib.producer, to compare them.

    ProducerError without Faker.
    """
    if "producer" not in options.only:
        return
    if not find_spec("faker"):
        raise ProducerError("the loop of tutorials needs Faker, which is not installed", "pip install -e '.[bench]'")
    with bench.broker() as cluster:
        for number in range(options.repeats):
            topic = f"run{number}"
            cluster.create(topic, partitions=2)
            for way, (command, share) in WAYS.items():
                found = produce(bench, cluster, topic, command, round(options.tweets * share))
                yield "producer, messages/s", way, found
                if command[0] == PRODUCER:
                    yield "clients of lib.producer, messages/s", way, found
            cluster.delete(topic)


def produce(bench: Bench, cluster: Cluster, topic: str, command: list, count: int) -> float:
    """Messages per second, made and acknowledged."""
    before = sum(cluster.offsets(topic).values())
    options = ["--count", count, "--topic", topic, "--bootstrap-servers", bench.settings.bootstrap_servers]
    line, how = bench.command(*command, *options)
    done = subprocess.run(line, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **how)
    sent = 0 if command[-1] == "generator" else count
    assert sum(cluster.offsets(topic).values()) - before == sent, f"{command} sent another number"
    return json.loads(done.stdout.splitlines()[-1])["per_second"]
