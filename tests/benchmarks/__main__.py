"""Benchmarks of the consumer as a whole process: drain of a backlog, micro-batch time, time to the first rows.

`make bench` repeats each figure, and prints median, least and most. `--against DIR` measures another checkout of the
project alternately in the same run, so that the ratios hold on a busy machine. Results go to build/bench.json.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from lib import infra
from lib.errors import run
from lib.infra.ports import free_port
from lib.settings import ROOT, Settings
from lib.topics import Cluster

FLAWS = ["--malformed", "0.01", "--duplicates", "0.02"]
BATCH = re.compile(r"^batch (\d+): .*?/s, ([\d.]+) s", re.MULTILINE)


class Bench:
    """A broker with topics for the measurements, and the checkouts that are compared."""

    def __init__(self, folder: Path, checkouts: dict[str, Path], tweets: int) -> None:
        self.folder, self.checkouts, self.tweets = folder, checkouts, tweets
        environment = {"STREAM_BUILD_DIR": str(folder), "STREAM_BOOTSTRAP_SERVERS": f"localhost:{free_port()}"}
        self.environment = os.environ | environment
        self.settings = Settings.from_environment(self.environment)
        self.outputs = 0

    def command(self, name: str, module: str, *arguments: object) -> tuple[list[str], dict]:
        """The command line and the options of Popen for `python -m lib.MODULE` of a checkout."""
        environment = self.environment | {"PYTHONPATH": str(self.checkouts[name])}
        line = [sys.executable, "-m", f"lib.{module}", *map(str, arguments)]
        return line, {"cwd": self.checkouts[name], "env": environment, "text": True}

    def output(self) -> Path:
        self.outputs += 1
        return self.folder / f"out{self.outputs}"

    def fill(self, cluster: Cluster, topic: str, count: int) -> None:
        cluster.create(topic, partitions=2)
        line, options = self.command("this", "producer", "--topic", topic, "--count", count, "--rate", 0, *FLAWS)
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)

    def drain(self, name: str) -> dict[str, float]:
        """Seconds and messages per second of `lib.consumer --available-now`, from start to end of the process."""
        options = ["--topic", "backlog", "--available-now", "--output", self.output()]
        line, settings = self.command(name, "consumer", *options)
        began = time.monotonic()
        done = subprocess.run(line, check=True, capture_output=True, **settings)
        seconds = time.monotonic() - began
        totals = json.loads(done.stdout.splitlines()[-1])
        right = round(self.tweets * 0.97), round(self.tweets * 0.02), round(self.tweets * 0.01)
        assert (totals["counted"], totals["duplicates"], totals["malformed"]) == right, totals
        return {"drain, messages/s": self.tweets / seconds}

    def live(self, name: str, seconds: float) -> dict[str, float]:
        """Seconds to the first rows, and of a warm micro-batch, at 1,000 tweets per second."""
        line, settings = self.command("this", "producer", "--topic", "live", "--rate", 1000)
        producer = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **settings)
        options = ["--topic", "live", "--starting-offsets", "latest", "--trigger", "1 second"]
        line, settings = self.command(name, "consumer", *options, "--output", self.output())
        began = time.monotonic()
        consumer = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **settings)
        first, times = None, []
        stop = threading.Timer(seconds, consumer.terminate)
        stop.start()
        for text in consumer.stdout:
            if found := BATCH.match(text):
                first = first or time.monotonic() - began
                times.append(float(found[2]))
        stop.cancel()
        producer.terminate()
        consumer.wait(), producer.wait()
        warm = times[len(times) // 2 :]  # the second half
        return {
            "first rows, s": first,
            "micro-batch p50, s": statistics.median(warm),
            "micro-batch p90, s": statistics.quantiles(warm, n=10)[-1],
        }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure the consumer.")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--tweets", type=int, default=2_000_000, metavar="N", help="in the backlog; default: %(default)s"
    )
    parser.add_argument("--seconds", type=float, default=60, metavar="S", help="of live tweets; default: %(default)s")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout, measured alternately")
    options = parser.parse_args(argv)
    checkouts = {"this": ROOT} | ({"other": options.against.resolve()} if options.against else {})
    figures: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="arqesp-bench-") as folder:
        bench = Bench(Path(folder), checkouts, options.tweets)
        infra.up(bench.settings)
        try:
            with Cluster(bench.settings.bootstrap_servers) as cluster:
                print(f"==> sending {options.tweets:,} tweets", flush=True)
                bench.fill(cluster, "backlog", options.tweets)
                cluster.create("live", partitions=2)
            for number in range(options.repeats):
                for name in checkouts:
                    found = bench.live(name, options.seconds) | bench.drain(name)
                    print(f"==> {number + 1} of {options.repeats}, {name}: {found}", flush=True)
                    for figure, value in found.items():
                        figures.setdefault(figure, {}).setdefault(name, []).append(value)
        finally:
            infra.down(bench.settings)
    report(figures, options)


def report(figures: dict[str, dict[str, list[float]]], options: argparse.Namespace) -> None:
    """Print a line for each figure, and write all to build/bench.json."""
    machine = f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    settings = Settings.from_environment()
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    result = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "tweets": options.tweets, "figures": figures}
    (settings.build_dir / "bench.json").write_text(json.dumps(result, indent=1))
    print(machine)
    for figure, by_name in figures.items():
        for name, values in by_name.items():
            line = f"{figure:<22} {name:<6} median {statistics.median(values):10,.2f}"
            print(f"{line}   least {min(values):10,.2f}   most {max(values):10,.2f}")


if __name__ == "__main__":
    run(main)
