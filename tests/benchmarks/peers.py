"""Programs that a user may pick instead of Spark: each counts the windows of a backlog, and prints them as JSON.

`python -m tests.benchmarks.peers PEER QUERY TOPIC [JAR]` reads what is in the topic and prints {"seconds", "windows"}:
[start in ms, hashtag, tweets] for each window and hashtag. The seconds begin when plain Python asks for messages, when
Quix has the first one, or when Flink gets the job; they end with the last count. The packages of Quix and Flink are in
build/peers, so that the project keeps its own versions.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer

from lib.errors import run
from lib.query import TrendQuery
from lib.settings import ROOT, Settings
from tests.benchmarks.plain_python import Answer, Task, hashtags, python, time_ms

DAY_MS = 86_400_000
CONNECTOR = "org.apache.flink", "flink-sql-connector-kafka", "5.0.0-2.2"
CONNECTOR_SHA256 = "5605c691d11a501382c383fecba37a7a552467da5ab7ba904ef5d6f3d62c5616"


def quix(task: Task) -> Answer:
    """Quix Streams with its defaults: state in RocksDB, changelogs in Kafka, hashtags as keys of a topic in between."""
    from quixstreams import Application

    consumer = Consumer({"bootstrap.servers": task.address, "group.id": "peer"})
    left = Counter({"tweets": sum(task.sizes(consumer).values())})  # messages to process
    consumer.close()
    times, windows = [], {}

    def split(tweet: dict) -> list[str]:
        times.append(time.monotonic())
        found = hashtags(tweet["text"])
        left["hashtags"] += len(found)
        return list(found)

    def update(window: dict, hashtag: str, *_: object) -> None:
        windows[window["start"], hashtag] = window["value"]

    def processed(topic: str, *_: object) -> None:
        left["tweets" if topic == task.topic else "hashtags"] -= 1
        if not left.total():
            times.append(time.monotonic())
            app.stop()

    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            task.address, consumer_group=Path(folder).name, auto_offset_reset="earliest", state_dir=folder,
            loglevel="WARNING", on_message_processed=processed,
        )  # fmt: skip
        topic = app.topic(task.topic, timestamp_extractor=lambda tweet, *_: time_ms(tweet["created_at"]))
        tags = app.dataframe(topic).apply(split, expand=True).group_by(lambda hashtag: hashtag, name="hashtag")
        counts = tags.hopping_window(task.query.window_ms, task.query.slide_ms, grace_ms=DAY_MS).count().current()
        counts.update(update, metadata=True)
        app.run()
    return times[-1] - times[0], windows


def flink(task: Task) -> Answer:
    """Flink SQL on two cores, in a Java process that PyFlink starts."""
    from pyflink.table import EnvironmentSettings, TableEnvironment

    sql = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in {"pipeline.jars": task.jar.as_uri(), "parallelism.default": 2}.items():
        sql.get_config().set(name, str(value))
    sql.get_config().set_local_timezone("UTC")
    durations = task.query.window_ms, task.query.slide_ms, task.query.watermark_ms
    window, slide, watermark = (f"INTERVAL '{ms // 1000}' SECOND" for ms in durations)
    sql.execute_sql(f"""
        CREATE TABLE tweets (
            text STRING, created_at TIMESTAMP_LTZ(3), WATERMARK FOR created_at AS created_at - {watermark}
        ) WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = '{task.address}', 'topic' = '{task.topic}',
        'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')""")
    sql.execute_sql(r"""
        CREATE VIEW hashtags AS SELECT created_at, hashtag FROM tweets CROSS JOIN
        UNNEST(ARRAY_DISTINCT(REGEXP_EXTRACT_ALL(LOWER(text), '#([\p{L}\p{M}\p{N}_]+)', 1))) AS found (hashtag)""")
    began = time.monotonic()
    result = sql.execute_sql(f"""
        SELECT window_start, hashtag, COUNT(*) FROM HOP(TABLE hashtags, DESCRIPTOR(created_at), {slide}, {window})
        GROUP BY window_start, window_end, hashtag""")
    with result.collect() as rows:
        windows = {(round(start.replace(tzinfo=UTC).timestamp()) * 1000, word): tweets for start, word, tweets in rows}
    return time.monotonic() - began, windows


class Peer(NamedTuple):
    """A program, the queries that it answers, and the module that it needs with what pip installs for it."""

    program: Callable[[Task], Answer]
    queries: tuple[str, ...]
    module: str
    install: str

    @property
    def site(self) -> Path:
        return ROOT / "build" / "peers" / self.program.__name__

    @property
    def missing(self) -> str:
        """What to type if the module is missing; else empty."""
        found = PathFinder.find_spec(self.module, [str(self.site), *sys.path])
        return "" if found else f"pip install {self.install}"


def connector() -> Path:
    """Flink's connector for Kafka, downloaded if it is missing; JarError if that is not possible."""
    from jgo.maven import MavenContext  # neither is for the programs, whose start is measured

    from lib.infra.jars import differs, download

    group, name, version = CONNECTOR
    jar = MavenContext().project(group, name).at_version(version).artifact()
    if differs(jar, CONNECTOR_SHA256):
        download(jar, CONNECTOR_SHA256)
    return jar.cached_path


PEERS = {
    "python": Peer(python, ("full", "plain"), "orjson", "-e '.[bench]'"),
    "quix": Peer(quix, ("plain",), "quixstreams", "--target build/peers/quix quixstreams==3.28.1"),
    "flink": Peer(flink, ("plain",), "pyflink", "--target build/peers/flink apache-flink==2.3.0"),
}


def main() -> None:
    peer, query, topic, *jar = sys.argv[1:]
    settings = Settings.from_environment()
    asked = TrendQuery(settings.window, settings.slide, settings.watermark)
    task = Task(settings.bootstrap_servers, topic, asked, query == "full", next(map(Path, jar), None))
    seconds, windows = PEERS[peer].program(task)
    print(json.dumps({"seconds": seconds, "windows": [[*key, tweets] for key, tweets in windows.items()]}))


if __name__ == "__main__":
    run(main)
