"""Live kill: the whole pipeline on a broker of its own, of which one part is killed and started again, and judged.

`start` gives a `Pipeline`, or a `Replay` of recorded kills where no pipeline can be started.
"""

import atexit
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Self

import numpy as np

from lib import consumer, infra
from lib.consumer.checkpoint import unfinished
from lib.course import timeline
from lib.course.child import child_with
from lib.course.own_broker import own_settings, wait_for_leader
from lib.course.recording import BIN_SECONDS, Recording
from lib.course.trials import wrong
from lib.errors import CourseError, require
from lib.live_table import LiveTable
from lib.producer import start_producer
from lib.query import TrendQuery
from lib.ranking import to_dict
from lib.recount import Recount, recount
from lib.settings import Settings
from lib.spark_session import spark_session, stop
from lib.topics import Cluster
from lib.wait import wait_until

TOPIC, QUERY = "live_kill", TrendQuery("30 seconds", "5 seconds", "30 seconds")
VICTIMS = ("broker", "Spark", "producer")
AROUND_SECONDS = 3  # how long the tweets flow before a fault, and after it
SECONDS = 200


class Pipeline:
    """Producer, broker, Spark query and store, all running, with `rate` tweets per second. Use `with`, or `close()`.

    The broker and all files are in build/NAME. `consumer` is the running query; `options` are more options of
    `start_producer`. Raises CourseError if a part does not start.
    """

    def __init__(self, settings: Settings, name: str, rate: int, **options: object) -> None:
        self.rate, self.options, self.settings = rate, options, own_settings(settings, name)
        self.acknowledged = self._producers = 0
        self.table: LiveTable | None = None
        try:
            self.broker = infra.up(self.settings)
            self.cluster = Cluster(self.settings.bootstrap_servers)
            self.cluster.create(TOPIC, partitions=1)
            self._start_query()
            self._start_producer()
            self._flow()
        except BaseException:
            infra.down(self.settings)  # all else ends with this process
            raise
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def show(self) -> None:
        """Display the live table, which refreshes itself until Spark is killed or everything is stopped."""
        self.table = LiveTable(self.consumer).show()

    def kill(self, victim: str) -> Recording:
        """Kill the broker, Spark's Java process or the producer by SIGKILL, start it again, and judge the counts.

        The producer is stopped for the judgement, and started by the next kill. SettingError for another victim.
        """
        require(victim in VICTIMS, "victim", victim, f"use one of: {', '.join(VICTIMS)}")
        if not self.producer.running:
            self._start_producer()
            self._flow()
        fault = {"broker": self._kill_broker, "Spark": self._kill_spark, "producer": self._kill_producer}[victim]()
        self._flow()
        self.acknowledged += self.producer.stop()["acked"]
        return self._judge(victim, fault)

    def close(self) -> None:
        """Stop everything, and remove the broker's data. Safe to call twice."""
        atexit.unregister(self.close)
        self.producer.stop()
        self.consumer.end()
        if self.table:
            self.table.consumer = self.consumer  # of the query that was started last
            self.table.stop()
        stop(self.consumer.spark)
        self.cluster.close()
        infra.down(self.settings, volumes=True)
        shutil.rmtree(self.settings.build_dir, ignore_errors=True)

    def _start_query(self) -> None:
        messages = consumer.read_topic(spark_session(self.settings), self.cluster, TOPIC, "earliest")
        output, every = self.settings.folder("run"), {"processingTime": self.settings.trigger}
        self.consumer = consumer.start(messages, QUERY, output, self.cluster, TOPIC, trigger=every)

    def _start_producer(self) -> None:
        self._producers += 1  # the seed: the tweets of another producer are no duplicates
        self.producer = start_producer(self.settings, TOPIC, rate=self.rate, seed=self._producers, **self.options)

    def _flow(self) -> None:
        """Wait until the tweets of the next seconds are counted."""
        wait_for_leader(self.cluster, TOPIC)
        goal = self.cluster.offsets(TOPIC)[0] + AROUND_SECONDS * self.rate
        wait_until(lambda: self.consumer.progress.offsets.get(0, 0) >= goal or self.consumer.error(), SECONDS)
        self.consumer.raise_error()

    def _kill_broker(self) -> float:
        fault = time.time()
        os.kill(self.broker.pid, signal.SIGKILL)
        self.broker = infra.up(self.settings)
        return fault

    def _kill_spark(self) -> float:
        java = child_with("SparkSubmit")  # the class in which Spark's Java process begins
        in_a_batch = lambda: unfinished(self.consumer.checkpoint) is not None  # noqa: E731
        wait_until(in_a_batch, 30, every=0.001)
        fault = time.time()
        java.kill()
        wait_until(self.consumer.error, 30)
        self.consumer.end()
        self._start_query()
        return fault

    def _kill_producer(self) -> float:
        """What it had acknowledged is known from its last report, at most a second old."""
        fault = time.time()
        self.producer.process.kill()
        self.producer.process.wait()
        self.acknowledged += self.producer.progress()["acked"]
        self._start_producer()
        return fault

    def answer(self) -> Recount:
        """The oracle's answer on everything in the topic, once the query has counted it; no producer may be running."""
        self.consumer.wait_for(self.cluster.offsets(TOPIC), SECONDS)
        lengths = QUERY.window_ms, QUERY.slide_ms, QUERY.watermark_ms
        return recount(self.cluster.read(TOPIC), self.consumer.store.batches(), *lengths)

    def _judge(self, victim: str, fault: float) -> Recording:
        answer, store = self.answer(), self.consumer.store
        counts = Counter(to_dict(store.windows()))
        found = timeline.times(self.cluster, TOPIC, store)
        recovery = timeline.recovery(found, fault)
        shown = found[found["arrived"] > fault - AROUND_SECONDS] - fault
        edges = np.arange(-AROUND_SECONDS, np.ceil(recovery) + AROUND_SECONDS + BIN_SECONDS, BIN_SECONDS)
        arrived, counted = (np.histogram(shown[name], edges)[0].tolist() for name in ("arrived", "counted"))
        return Recording(
            victim, f"{datetime.now(UTC):%Y-%m-%d}", self.rate, self.acknowledged,
            max(0, self.acknowledged - answer.totals()["counted"]), len(counts | answer.windows),
            wrong(counts, answer.windows), round(float(recovery), 2), edges[:-1].tolist(), arrived, counted,
        )  # fmt: skip


class Replay:
    """Recorded kills, {victim: Recording}, in the place of a pipeline that could not be started, and why."""

    def __init__(self, kills: Mapping[str, Recording], why: str) -> None:
        self.kills, self.why = kills, why

    def show(self) -> None:
        """Say why there is no live table."""
        print(f"No live pipeline: {self.why}. Recorded kills: {', '.join(self.kills)}.")

    def kill(self, victim: str) -> Recording:
        """The recorded kill. SettingError for a victim without one."""
        known = ", ".join(self.kills) or "there is none: make evidence"
        require(victim in self.kills, "victim", victim, f"use one that is recorded: {known}")
        return self.kills[victim]

    def close(self) -> None:
        """There is nothing to stop."""


def start(settings: Settings, kills: Mapping[str, Recording], rate: int, live: bool = True) -> Pipeline | Replay:
    """A running pipeline, or where it is not wanted or does not start, a replay of the recorded kills."""
    if not live:
        return Replay(kills, "LIVE is off")
    try:
        return Pipeline(settings, "live_kill", rate)
    except (CourseError, TimeoutError) as error:
        return Replay(kills, str(error))
