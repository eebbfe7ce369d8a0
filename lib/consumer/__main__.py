"""Command line: trending topics from Kafka to the terminal, and their windows to a database."""

import argparse
import json
import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from lib.consumer import read_topic, start
from lib.consumer.store import Store
from lib.consumer.terminal import show_while, table
from lib.errors import require, run
from lib.infra.jars import paths
from lib.query import TrendQuery, milliseconds
from lib.settings import Settings
from lib.spark_session import spark_session, stop
from lib.topics import Cluster
from lib.wait import stop_signal

LARGE_BACKLOG = 500_000  # messages: to compile for throughput takes time, which fewer messages do not give back


def main(argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_environment()
    options = parse_options(argv, settings)
    query = TrendQuery(options.window, options.slide, options.watermark)
    milliseconds("trigger", options.trigger, least=0)
    require(options.top >= 1, "top", options.top, "use 1 or more")
    settings = replace(settings, bootstrap_servers=options.bootstrap_servers, spark_master=options.master)
    cluster = Cluster.of(settings)
    cluster.wait_for_topic(options.topic)  # an error here comes sooner than after Spark's start
    if options.store:
        with closing(Store(options.store)) as store:
            store.exists()  # so does one of the database
    # py4j logs a traceback for each call that Spark's Java process did not answer, because it was killed.
    logging.basicConfig(filename=settings.folder("logs") / "consumer.log", filemode="w")
    throughput = options.available_now and sum(cluster.offsets(options.topic).values()) > LARGE_BACKLOG
    spark = spark_session(settings, throughput=throughput)
    trigger = {"availableNow": True} if options.available_now else {"processingTime": options.trigger}
    messages = read_topic(spark, cluster, options.topic, options.starting_offsets, settings.batch_messages)
    consumer = start(
        messages, query, options.output, cluster, options.topic, options.checkpoint, trigger, options.top, options.store
    )
    asked_to_stop = stop_signal()
    show_while(lambda: consumer.unfinished and not asked_to_stop.is_set(), consumer)
    ended_by_itself = options.available_now and not asked_to_stop.is_set()
    totals = consumer.finish() if ended_by_itself else consumer.stop()
    stop(spark)
    Console().print(table(consumer.store.ranking(options.top), totals))
    if unreported := consumer.store.unreported():
        print(
            f"note: the numbers of {unreported} batches are missing: they were lost with a process, or Spark had to "
            "repeat tasks, and counted these twice. The windows are right"
        )
    print(json.dumps(totals), flush=True)


def parse_options(argv: Sequence[str] | None, settings: Settings) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lib.consumer",
        description="Trending topics from Kafka, by Spark Structured Streaming.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="On a cluster, or wherever spark-submit starts Spark:\n  spark-submit --jars "
        + ",".join(map(str, paths("connector"))) + f" {Path(__file__)} --output DIR",
    )  # fmt: skip

    def option(name: str, default: object, text: str, **how: object) -> None:
        parser.add_argument(f"--{name}", default=default, help=f"{text} (default: %(default)s)", **how)

    option("topic", settings.topic, "the topic to read")
    option("bootstrap-servers", settings.bootstrap_servers, "the broker's address")
    ends = ("earliest", "latest")
    option("starting-offsets", "earliest", "where to begin if there is no checkpoint", choices=ends)
    option("master", settings.spark_master, "Spark's master")
    folder = {"type": Path, "metavar": "DIR"}
    option("output", settings.build_dir / "consumer", "the folder of the database and the checkpoint", **folder)
    store = "a database elsewhere: postgresql+psycopg://user@host/database, or sqlite:///path"
    parser.add_argument("--store", metavar="URL", help=f"{store} (default: DIR/trends.db)")
    parser.add_argument("--checkpoint", help="the folder of the checkpoint (default: DIR/checkpoint)", **folder)
    option("window", settings.window, "the length of a window")
    option("slide", settings.slide, "the interval between the starts of two windows")
    option("watermark", settings.watermark, "how far the watermark is behind the newest event time")
    option("top", settings.top, "the number of hashtags to show", type=int)
    option("trigger", settings.trigger, "the interval between micro-batches")
    parser.add_argument("--available-now", action="store_true", help="count what is in the topic now, then end")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
