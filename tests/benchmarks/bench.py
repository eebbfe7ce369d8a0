"""Bench: a broker with topics, and programs that are measured on them. Every answer is checked before a time counts."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path

import sqlalchemy as sa

from lib import infra
from lib.consumer.store import Batch, Store
from lib.consumer.tables import BATCHES, ms
from lib.errors import QueryError
from lib.infra.java import java_home
from lib.infra.ports import free_port
from lib.query import TrendQuery
from lib.ranking import to_dict
from lib.recount import Recount
from lib.settings import ROOT, Settings
from lib.topics import Cluster
from lib.wait import wait_until
from tests.benchmarks.peers import PEERS, connector
from tests.judge import judge, recounted

FLAWS = {"full": ["--malformed", "0.01", "--duplicates", "0.02"], "plain": []}
RATE = 1000  # tweets per second
FIRST_SECONDS = 300  # until the first rows
# How many messages of the backlog a micro-batch takes at most.
AT_MOST = {"200,000 at a time": 200_000, "at once": 1_000_000_000}
Measured = tuple[str, str, float]  # figure, way, value


class Bench:
    """A broker in a folder of its own, and the ways that are compared: those of tests.benchmarks.measured, and "other"
    if another checkout is given."""

    def __init__(self, folder: Path, other: Path | None = None) -> None:
        self.folder, self.other = folder, other
        environment = {"STREAM_BUILD_DIR": str(folder), "STREAM_BOOTSTRAP_SERVERS": f"localhost:{free_port()}"}
        self.environment = os.environ | environment
        self.settings = Settings.from_environment(self.environment)
        self.query = TrendQuery(self.settings.window, self.settings.slide, self.settings.watermark)
        self.runs = 0
        self.answers: dict[str, Recount] = {}  # of the backlogs, by topic and micro-batches

    @contextmanager
    def broker(self) -> Iterator[Cluster]:
        """The broker, which is stopped at the end and keeps its data."""
        infra.up(self.settings)
        try:
            with Cluster(self.settings.bootstrap_servers) as cluster:
                yield cluster
        finally:
            infra.down(self.settings)

    def command(self, module: str, *arguments: object, checkout: Path = ROOT) -> tuple[list[str], dict]:
        """The command line and the options of Popen for `python -m MODULE` of a checkout."""
        environment = self.environment | {"PYTHONPATH": str(checkout)}
        return [sys.executable, "-m", module, *map(str, arguments)], {"cwd": checkout, "env": environment, "text": True}

    def program(self, way: str, query: str, topic: str, *more: object) -> tuple[list[str], dict, Path]:
        """The command line and Popen's options of a way to run a query, and the folder of its result."""
        self.runs += 1
        output = self.folder / f"out{self.runs}"
        options = ["--topic", topic, "--output", output, *more]
        if way == "other":
            return *self.command("lib.consumer", *options, checkout=self.other.resolve()), output
        return *self.command("tests.benchmarks.measured", way, query, *options), output

    def producer(self, topic: str, query: str, *more: object) -> tuple[list[str], dict]:
        line, options = self.command("lib.producer", "--topic", topic, *FLAWS[query], *more)
        return line, options | {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def fill(self, cluster: Cluster, count: int, queries: Iterable[str] = FLAWS) -> None:
        """A backlog for each query: a topic with its name."""
        for query in queries:
            cluster.create(query, partitions=2)
            line, options = self.producer(query, query, "--count", count, "--rate", 0)
            subprocess.run(line, check=True, **options)

    def drain(self, cluster: Cluster, way: str, query: str, how: str) -> dict[str, float]:
        """Messages per second of a backlog that is worked off: the query alone, and the process from start to end.

        `how` is one of AT_MOST.
        """
        line, options, output = self.program(way, query, query, "--available-now")
        options["env"] |= {"STREAM_BATCH_MESSAGES": str(AT_MOST[how])}
        began = time.monotonic()
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        seconds = time.monotonic() - began
        self.check(cluster, way, query, query, output)
        batches, messages = read_batches(output), sum(cluster.offsets(query).values())
        alone = batches[-1]["done"] - batches[0]["begun"]
        return rates(how, messages, alone, seconds)

    def drain_by_peer(self, cluster: Cluster, peer: str, query: str) -> dict[str, float]:
        """The same figures of a program in tests.benchmarks.peers. It has no micro-batches: it stands beside both."""
        more = [connector()] if peer == "flink" else []
        line, options = self.command("tests.benchmarks.peers", peer, query, query, *more)
        path = os.pathsep.join([str(ROOT), str(PEERS[peer].site)])
        options["env"] |= {"PYTHONPATH": path, "JAVA_HOME": str(java_home(self.settings))}
        began = time.monotonic()
        done = subprocess.run(line, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options)
        seconds = time.monotonic() - began
        found = json.loads(done.stdout.splitlines()[-1])
        answer = self.answer(cluster, query, cluster.offsets(query))
        assert {(start, hashtag): tweets for start, hashtag, tweets in found["windows"]} == answer.windows
        messages = answer.totals()["received"]
        return {name: rate for how in AT_MOST for name, rate in rates(how, messages, found["seconds"], seconds).items()}

    def answer(self, cluster: Cluster, topic: str, ends: dict[int, int]) -> Recount:
        """The recount of a topic up to these offsets, as if it was one micro-batch."""
        return recounted(cluster, topic, self.query, [Batch(ends, 0, 0)], self.answers)

    def live(self, cluster: Cluster, way: str, query: str, seconds: float) -> dict[str, float]:
        """Seconds until the first rows, of a micro-batch, and from a tweet to its row, at RATE tweets per second.

        The last two are of the second half of the `seconds` after the first rows. A tweet is due at a fixed time, so
        that a stall counts for all tweets that wait meanwhile. Tweets that have no row at the end do not count.
        """
        topic = f"live{self.runs}"
        cluster.create(topic, partitions=2)
        line, options = self.producer(topic, query, "--rate", RATE)
        producer = subprocess.Popen(line, **options)
        line, options, output = self.program(way, query, topic, "--trigger", "0 seconds")
        began = time.time()
        consumer = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        wait_until(lambda: started(output), FIRST_SECONDS)
        threading.Event().wait(seconds)
        consumer.terminate()
        assert consumer.wait(120) == 0, f"{way} {query} ended with {consumer.returncode}"
        producer.terminate()
        producer.wait(60)
        self.check(cluster, way, query, topic, output)
        batches = read_batches(output)
        first = next(cluster.read(topic, end=dict.fromkeys(batches[0]["ends"], 1))).timestamp / 1000
        cluster.delete(topic)
        counted = list(accumulate((sum(batch["ends"].values()) for batch in batches), lambda _, end: end))
        middle = batches[0]["done"] + seconds / 2
        warm = [batch for batch in batches if batch["done"] > middle] or batches[-1:]  # a slow way may have one batch
        times = [batch["done"] - batch["begun"] for batch in warm]
        due = range(max(0, min(round((middle - first) * RATE), counted[-1] - RATE)), counted[-1])
        waits = sorted(batches[bisect_left(counted, number + 1)]["done"] - (first + number / RATE) for number in due)
        return {
            "first rows, s": batches[0]["done"] - began,
            "micro-batch p50, s": statistics.median(times),
            "tweet to row p50, s": statistics.median(waits),
            "tweet to row p99, s": waits[len(waits) * 99 // 100],
        }

    def check(self, cluster: Cluster, way: str, query: str, topic: str, output: Path) -> None:
        """CountError or AssertionError unless the answer is the recount's."""
        store = Store.in_folder(output)
        if way == "usual":  # its rows are whole windows: not to be summed as panes
            store.remember({"window": self.query.slide})
        if query == "full":
            judge(cluster, topic, self.query, store.path, self.answers)
            return
        assert to_dict(store.windows()) == self.answer(cluster, topic, store.batches()[-1].ends).windows


def rates(how: str, messages: int, alone: float, seconds: float) -> dict[str, float]:
    """Messages per second, from the seconds of the work alone and of the process."""
    name = f"drain, {how}"
    return {f"{name}, messages/s": messages / alone, f"{name}, with start and end": messages / seconds}


def started(output: Path) -> bool:
    """Whether the first micro-batch is in the database."""
    with suppress(QueryError):  # its tables are being made
        return bool(read_batches(output))
    return False


def read_batches(output: Path) -> list[dict]:
    """The micro-batches of a result: `ends` {partition: offset}, and `begun` and `done`, in seconds since 1970."""
    store = Store.in_folder(output)
    with store.connect() as connection:
        rows = connection.execute(
            sa.select(BATCHES.c.ends, BATCHES.c.begun, BATCHES.c.seconds).order_by(BATCHES.c.batch)
        ).all()
    store.close()
    return [
        {"ends": {int(number): offset for number, offset in ends.items()}, "begun": start, "done": start + seconds}
        for ends, start, seconds in ((ends, ms(begun) / 1000, seconds) for ends, begun, seconds in rows)
    ]
