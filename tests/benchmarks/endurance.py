"""Endurance of the consumer: half an hour of live tweets, and a large backlog with a kill in it, judged by the recount.

`python -m tests.benchmarks.endurance` takes 40 minutes, and prints what RESULTS.md reports.
"""

import argparse
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil

from lib import infra
from lib.consumer.store import Store
from lib.errors import run
from lib.query import TrendQuery
from lib.topics import Cluster
from lib.wait import exit_on_signals, wait_until
from tests.benchmarks.bench import RATE, Bench
from tests.judge import judge

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def judged(bench: Bench, cluster: Cluster, topic: str, output: Path) -> str:
    """What the recount finds, after it was found equal to the store."""
    settings = bench.settings
    query = TrendQuery(settings.window, settings.slide, settings.watermark)
    answer = judge(cluster, topic, query, output / "trends.db")
    return f"{len(answer.watermarks)} batches, every window right; {answer.totals()}"


def backlog(bench: Bench, cluster: Cluster, count: int) -> None:
    """Work off a backlog with the default heap, though the consumer and its Spark are killed in the middle."""
    bench.fill(cluster, count, ["full"])
    line, options, output = bench.program("this", "full", "full", "--available-now")
    began = time.monotonic()
    first = subprocess.Popen(line, **QUIET, **options)
    wait_until((output / "checkpoint" / "commits" / str(count // 400_000)).exists, 600)
    for process in [*psutil.Process(first.pid).children(recursive=True), first]:
        process.send_signal(signal.SIGKILL)
    first.wait()
    killed = time.monotonic() - began
    subprocess.run(line, check=True, **QUIET, **options)
    seconds = time.monotonic() - began
    print(f"backlog of {count:,} messages: killed after {killed:.0f} s, worked off after {seconds:.0f} s", flush=True)
    print(f"  {judged(bench, cluster, 'full', output)}", flush=True)


def live(bench: Bench, cluster: Cluster, broker: psutil.Process, minutes: float) -> None:
    """1,000 tweets per second: memory, sizes and batch times by the minute, and their slopes."""
    cluster.create("live", partitions=2)
    line, options, output = bench.program("this", "full", "live", "--trigger", "1 second")
    consumer = subprocess.Popen(line, **QUIET, **options)
    line, options = bench.producer("live", "full", "--rate", RATE, "--duration", minutes * 60)
    producer = subprocess.Popen(line, **options)
    samples = list(sample(consumer, output, producer, broker))
    store, end = Store(output / "trends.db"), cluster.offsets("live")
    wait_until(lambda: store.batches(last=1)[-1].ends == end, 60)
    store.close()
    consumer.terminate()
    consumer.wait()
    memory = ("Spark MB", "Python MB", "producer MB", "broker MB", "together MB")
    columns = ("minute", *memory, "store MB", "checkpoint MB", "batch p50 s")
    late = np.array(samples)[len(samples) // 4 :]
    for row in samples[:: max(1, len(samples) // 10)]:
        print("  " + "  ".join(f"{name} {value:.2f}" for name, value in zip(columns, row, strict=True)), flush=True)
    for number, name in enumerate(columns[1:], 1):
        slope = np.polyfit(late[:, 0], late[:, number], 1)[0]
        print(f"  {name}: median {np.median(late[:, number]):.2f}, slope {slope:+.4f} a minute", flush=True)
    print(f"  {judged(bench, cluster, 'live', output)}", flush=True)


def sample(
    consumer: subprocess.Popen, output: Path, producer: subprocess.Popen, broker: psutil.Process
) -> Iterator[tuple[float, ...]]:
    """A row for each minute in which the producer sends."""
    began, store, python = time.monotonic(), Store(output / "trends.db"), psutil.Process(consumer.pid)
    while True:
        time.sleep(min(60, max(1, 60 - (time.monotonic() - began) % 60)))
        if producer.poll() is not None:
            break
        java = max(python.children(recursive=True), key=lambda process: process.memory_info().rss)
        with store.engine.connect() as connection:
            recent = "SELECT seconds FROM batches ORDER BY batch DESC LIMIT 60"
            seconds = [row[0] for row in connection.exec_driver_sql(recent)]
        memory = [process.memory_info().rss / 1e6 for process in (java, python, psutil.Process(producer.pid), broker)]
        yield (
            (time.monotonic() - began) / 60,
            *memory,
            sum(memory),
            sum(path.stat().st_size for path in output.glob("trends.db*")) / 1e6,
            size(output / "checkpoint") / 1e6,
            float(np.median(seconds)),
        )
    store.close()


def size(folder: Path) -> int:
    """Bytes of the files in a folder, some of which may be removed meanwhile."""
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(directory, name)).st_size
            except FileNotFoundError:
                continue
    return total


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.endurance", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tweets", type=int, default=5_000_000, metavar="N", help="in the backlog, 0: none; default: %(default)s"
    )
    parser.add_argument("--minutes", type=float, default=30, metavar="M", help="of live tweets")
    options = parser.parse_args(argv)
    exit_on_signals()
    with tempfile.TemporaryDirectory(prefix="arqesp-bench-") as folder:
        bench = Bench(Path(folder))
        with bench.broker() as cluster:
            broker = psutil.Process(infra.up(bench.settings).pid)  # it runs: `up` attaches to it
            live(bench, cluster, broker, options.minutes)
            if options.tweets:
                backlog(bench, cluster, options.tweets)


if __name__ == "__main__":
    run(main)
