"""The broker's start beside Kafka's own flags: seconds from its Java process to the first acknowledged message."""

import argparse
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from kafka import KafkaProducer
from kafka.errors import KafkaError

from lib.infra import embedded, process
from lib.topics import Cluster
from lib.wait import wait_until
from tests.benchmarks.bench import Bench, Measured

# What Kafka's own script, kafka-server-start, gives to Java.
KAFKA_FLAGS = [
    "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
]  # fmt: skip


def measure(bench: Bench, options: argparse.Namespace) -> Iterator[Measured]:
    """Each way to start it. All start on the same data, which is formatted and has the topic."""
    if "broker" not in options.only:
        return
    settings, folder = bench.settings, bench.settings.build_dir / "broker"
    with bench.broker() as cluster:
        cluster.create("first")
    ours = [*map(str, embedded.node_command(settings, folder, (folder / "server.properties").read_text()))]
    kept = [option for option in ours if not option.startswith(("-XX", "-Xmx", "-Xlog"))]
    ways = {"with the flags of kafka-server-start": [kept[0], *KAFKA_FLAGS, *kept[1:]]}
    ways["without an archive of classes"] = [option for option in ours if not option.startswith("-XX:Shared")]
    ways |= {"as make up starts it": ours} if ours != ways["without an archive of classes"] else {}
    for _ in range(options.repeats):
        for way, command in ways.items():
            found = first_acknowledgement(command, folder, settings.bootstrap_servers, "first")
            yield "start of the broker to the first acknowledged message, s", way, found


def first_acknowledgement(command: list, folder: Path, address: str, topic: str) -> float:
    """Seconds from the start of a broker's Java process to the first acknowledged message."""
    began = time.monotonic()
    broker = psutil.Process(process.start(command, folder))
    try:
        with Cluster(address) as cluster:
            wait_until(cluster.port_is_open, 120, every=0.01)
        while True:
            with suppress(KafkaError), KafkaProducer(bootstrap_servers=address, reconnect_backoff_ms=10) as client:
                client.send(topic, b"first").get(timeout=30)
                return time.monotonic() - began
    finally:
        process.end(broker)
