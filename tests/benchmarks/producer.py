"""Command line: measure the producer beside the loop of tutorials, and the broker's start beside Kafka's own flags.

`python -m tests.benchmarks.producer` measures the ways in turns, so that the ratios hold on a busy machine, and checks
after each that the topic has as many messages more. It needs Faker: pip install -e '.[bench]'. It prints rows for
RESULTS.md.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from kafka import KafkaProducer
from kafka.errors import KafkaError

from lib import infra
from lib.errors import run
from lib.infra import embedded, process
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import wait_until
from tests.benchmarks.bench import Bench

SENDERS, PRODUCER = "tests.benchmarks.senders", "lib.producer"
# The name of each way, its command line, and its messages.
WAYS = {
    "loop of tutorials: Faker, json.dumps, send": ([SENDERS, "tutorial"], 20_000),
    "kafka-python alone, messages ready": ([SENDERS, "ready"], 200_000),
    "lib.producer, kafka-python": ([PRODUCER, "--rate", 0, "--client", "kafka-python"], 200_000),
    "confluent-kafka alone, messages ready": ([SENDERS, "ready-confluent"], 1_000_000),
    "lib.producer, confluent": ([PRODUCER, "--rate", 0, "--client", "confluent"], 1_000_000),
    "generator alone": ([SENDERS, "generator"], 1_000_000),
}
# What Kafka's own script, kafka-server-start, gives to Java.
KAFKA_FLAGS = [
    "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
]  # fmt: skip


def produce(bench: Bench, cluster: Cluster, topic: str, command: list, count: int) -> float:
    """Messages per second, made and acknowledged."""
    before = sum(cluster.offsets(topic).values())
    options = ["--count", count, "--topic", topic, "--bootstrap-servers", bench.settings.bootstrap_servers]
    line, how = bench.command(*command, *options)
    done = subprocess.run(line, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **how)
    sent = 0 if command[-1] == "generator" else count
    assert sum(cluster.offsets(topic).values()) - before == sent, f"{command} sent another number"
    return json.loads(done.stdout.splitlines()[-1])["per_second"]


def producers(bench: Bench, repeats: int, scale: float) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {}
    infra.up(bench.settings)
    try:
        with Cluster(bench.settings.bootstrap_servers) as cluster:
            for number in range(repeats):
                for way, (command, count) in WAYS.items():
                    topic = f"run{number}"
                    cluster.create(topic, partitions=2)
                    found = produce(bench, cluster, topic, command, round(count * scale))
                    print(f"==> {number + 1} of {repeats}, {way}: {found:,.0f} per second", file=sys.stderr, flush=True)
                    figures.setdefault(way, []).append(found)
                cluster.delete(topic)
    finally:
        infra.down(bench.settings)
    return figures


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


def brokers(settings: Settings, repeats: int) -> dict[str, list[float]]:
    """Seconds to the first acknowledgement of a broker with Kafka's flags, and as this project starts it.

    All start on the same data, which is formatted and has the topic.
    """
    folder = settings.build_dir / "broker"
    infra.up(settings)
    with Cluster(settings.bootstrap_servers) as cluster:
        cluster.create("first")
    infra.down(settings)
    ours = [*map(str, embedded.node_command(settings, folder, (folder / "server.properties").read_text()))]
    kept = [option for option in ours if not option.startswith(("-XX", "-Xmx", "-Xlog"))]
    ways = {"with the flags of kafka-server-start": [kept[0], *KAFKA_FLAGS, *kept[1:]]}
    ways["without an archive of classes"] = [option for option in ours if not option.startswith("-XX:Shared")]
    ways |= {"as make up starts it": ours} if ours != ways["without an archive of classes"] else {}
    figures: dict[str, list[float]] = {}
    for number in range(repeats):
        for way, command in ways.items():
            found = first_acknowledgement(command, folder, settings.bootstrap_servers, "first")
            print(f"==> {number + 1} of {repeats}, broker {way}: {found:.2f} s", file=sys.stderr, flush=True)
            figures.setdefault(way, []).append(found)
    return figures


def rows(figures: dict[str, list[float]], form: str, lower_is_better: bool) -> str:
    """A row of Markdown for each way: median, least and most, and how many times better than the first way it is.

    That is the median of the ratios of all repeats: another program that is busy for a while changes it little.
    """
    lines, first = [], next(iter(figures.values()))
    for way, values in figures.items():
        ratios = [base / value if lower_is_better else value / base for base, value in zip(first, values, strict=True)]
        shown = f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"
        spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        lines.append(f"| {way} | {shown} | {spread} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.producer", description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--scale", type=float, default=1, metavar="F", help="F times as many messages")
    parser.add_argument("--only", choices=["producer", "broker"], help="default: both")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="arqesp-bench-") as folder:
        bench = Bench(Path(folder))
        if options.only != "broker":
            print(rows(producers(bench, options.repeats, options.scale), ",.0f", lower_is_better=False), flush=True)
        if options.only != "producer":
            print(rows(brokers(bench.settings, options.repeats), ".2f", lower_is_better=True), flush=True)


if __name__ == "__main__":
    run(main)
