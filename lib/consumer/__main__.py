"""Command line: trending topics from Kafka to the terminal, and their windows to a database."""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lib.consumer import read_topic, start
from lib.consumer.terminal import print_table, show_while
from lib.errors import SettingError, run
from lib.infra.jars import paths
from lib.query import TrendQuery, milliseconds
from lib.settings import Settings
from lib.spark_session import spark_session, stop
from lib.topics import Cluster
from lib.wait import stop_signal


def main(argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_environment()
    options = parse_options(argv, settings)
    query = TrendQuery(options.window, options.slide, options.watermark)
    milliseconds("trigger", options.trigger, least=0)
    if options.top < 1:
        raise SettingError(f"top {options.top} is below 1", "use 1 or more", option="top", value=options.top)
    cluster = Cluster(options.bootstrap_servers, settings.answer_seconds)
    cluster.require()
    settings = replace(settings, spark_master=options.master)
    # py4j logs a traceback for each call that Spark's Java process did not answer, because it was killed.
    logging.basicConfig(filename=settings.folder("logs") / "consumer.log", filemode="w")
    spark = spark_session(settings, "trending topics", throughput=options.available_now)
    trigger = {"availableNow": True} if options.available_now else {"processingTime": options.trigger}
    messages = read_topic(spark, cluster, options.topic, options.starting_offsets, settings.batch_messages)
    consumer = start(messages, query, options.output, cluster, options.topic, options.checkpoint, trigger, options.top)
    asked_to_stop = stop_signal()
    show_while(lambda: consumer.unfinished and not asked_to_stop.is_set(), consumer)
    ended_by_itself = options.available_now and not asked_to_stop.is_set()
    totals = consumer.finish() if ended_by_itself else consumer.stop()
    stop(spark)
    print_table(consumer.progress)
    if unreported := consumer.store.unreported():
        print(f"note: the numbers of {unreported} batches were lost with their process; their windows were not")
    print(json.dumps(totals), flush=True)


def parse_options(argv: Sequence[str] | None, settings: Settings) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lib.consumer",
        description="Trending topics from Kafka, by Spark Structured Streaming.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="On a cluster, or wherever spark-submit starts Spark:\n  spark-submit --jars "
        + ",".join(map(str, paths("connector"))) + f" {Path(__file__)} --output DIR",
    )  # fmt: skip
    option = parser.add_argument
    option("--topic", default=settings.topic)
    option("--bootstrap-servers", default=settings.bootstrap_servers)
    option(
        "--starting-offsets",
        choices=("earliest", "latest"),
        default="earliest",
        help="where to begin without a checkpoint (default: %(default)s)",
    )
    option("--master", default=settings.spark_master, help="Spark's master (default: %(default)s)")
    option(
        "--output",
        type=Path,
        default=settings.build_dir / "consumer",
        metavar="DIR",
        help="counts and dead letters to the database DIR/trends.db",
    )
    option("--checkpoint", type=Path, metavar="DIR", help="default: the folder checkpoint in the output")
    option("--window", default=settings.window, help="length of a window (default: %(default)s)")
    option("--slide", default=settings.slide, help="interval between window starts (default: %(default)s)")
    option("--watermark", default=settings.watermark, help="how late a tweet may be (default: %(default)s)")
    option("--top", type=int, default=settings.top, help="number of hashtags to show (default: %(default)s)")
    option("--trigger", default=settings.trigger, help="interval between micro-batches (default: %(default)s)")
    option("--available-now", action="store_true", help="count the messages that exist at the start, then end")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
