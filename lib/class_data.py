"""Command line: make the class-data archives with which the broker and Spark start sooner (see lib.infra.archive).

It runs the whole pipeline once, hidden, at a free port and in a temporary folder. At their end the two Java processes
write which classes they have used. Archives that fit are kept, all others in the folder are removed.
"""

import argparse
import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lib import infra, tweets
from lib.consumer import read_topic, start
from lib.errors import JavaError, run
from lib.infra.archive import AOT_CACHE, CLASS_DATA, find_archive, kind_for, prefix
from lib.infra.jars import paths
from lib.infra.java import find_java
from lib.infra.ports import free_port
from lib.producer.client import send
from lib.query import TrendQuery
from lib.settings import Settings
from lib.spark_session import class_path, running_gateway, spark_session, stop
from lib.topics import Cluster

TWEETS = 5000
END_SECONDS = 120  # writing Spark's archive takes 10 s on a quiet machine


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m lib.class_data", description="Make the archives with which the broker and Spark start sooner."
    )
    parser.parse_args(argv)
    settings = Settings.from_environment()
    if not all(archives(settings)):
        print("==> making class-data archives, so that the broker and Spark start sooner (half a minute)", flush=True)
        make(settings)
    for file in archives(settings):
        print(f"{file.name}: {file.stat().st_size / 1e6:.0f} MB")


def class_paths() -> dict[str, list[Path]]:
    """{name of an archive: the class path of its program}, where the jars are, or will be once they are downloaded."""
    return {"broker": paths("broker"), "spark": class_path(paths("connector"))}


def archives(settings: Settings) -> list[Path | None]:
    """The two archives for this Java and these jars; None for one that does not exist."""
    java = find_java(settings)
    return [find_archive(settings, name, java, path) for name, path in class_paths().items()]


def make(settings: Settings) -> None:
    """Make both archives, and remove those of another Java; JavaError if Java did not write them."""
    settings.archive_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.archive_dir, prefix="new-") as folder:
        new = Path(folder)
        run_pipeline(
            replace(
                settings.without_security(), build_dir=new, archive_dir=new, record_archives=True, mode="embedded",
                brokers=1, bootstrap_servers=f"localhost:{free_port()}", spark_master=Settings.spark_master,
            )
        )  # fmt: skip
        java = find_java(settings)
        for name, path in class_paths().items():
            written = new / f"{name}{kind_for(java).suffix}"
            if not written.exists():
                raise JavaError(f"Java did not write {written.name}", "nothing: all works without it", file=name)
            size = written.stat().st_size
            os.replace(written, settings.archive_dir / f"{prefix(name, java, path)}{size}{written.suffix}")
    files = {file for file in settings.archive_dir.iterdir() if file.suffix in (CLASS_DATA.suffix, AOT_CACHE.suffix)}
    for old in files - set(archives(settings)):
        old.unlink()


def run_pipeline(settings: Settings) -> None:
    """Send tweets and count them, once, and end both Java processes."""
    flaws = {"late": 0.01, "duplicates": 0.01, "malformed": 0.01}  # each takes classes of its own
    query = TrendQuery(settings.window, settings.slide, settings.watermark)
    infra.up(settings)
    try:
        with Cluster(settings.bootstrap_servers) as cluster:
            cluster.create(settings.topic, partitions=settings.partitions)
            messages = tweets.stream(count=TWEETS, rate=0, **flaws)
            send(messages, settings.topic, settings.bootstrap_servers, 0, threading.Event())
            spark = spark_session(settings)
            messages = read_topic(spark, cluster, settings.topic, "earliest")
            with start(messages, query, settings.build_dir / "out", cluster, settings.topic) as consumer:
                consumer.wait_for(cluster.offsets(settings.topic, "latest"), END_SECONDS)
                consumer.store.ranking(settings.top)
            process = running_gateway().proc
            stop(spark)
            process.stdin.close()  # its end of file ends Spark's Java process
            process.wait(END_SECONDS)
    finally:
        infra.down(settings)


if __name__ == "__main__":
    run(main)
