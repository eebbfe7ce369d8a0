"""Program that is measured: a query as tutorials write it, on a session as they start it, or as this project does.

`python -m tests.benchmarks.measured WAY QUERY OPTIONS…` takes the options of lib.consumer. In every WAY the answer, the
limit of a micro-batch, the options of Kafka's source and the database are the same:

- "usual" has Spark's defaults, and the connector by `spark.jars.packages`. It counts in windows that slide, and parses
  each message by from_json;
- "defaults" has them too, but counts and parses as this project does: it shows what the settings alone do;
- "this" is this project's.

The QUERY "full" is that of lib.consumer; "plain" only counts: no de-duplication, no dead letters.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import pyspark
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lib import trends
from lib.consumer import read_topic
from lib.consumer.__main__ import main as consumer
from lib.consumer.__main__ import parse_options
from lib.consumer.checkpoint import limits
from lib.consumer.store import Store
from lib.errors import run
from lib.query import TrendQuery
from lib.settings import ROOT, Settings
from lib.spark_session import spark_session, stop
from lib.topics import Cluster
from lib.wait import stop_signal, wait_until

CONNECTOR = f"org.apache.spark:spark-sql-kafka-0-10_2.13:{pyspark.__version__}"
SCHEMA = "id STRING, text STRING, created_at TIMESTAMP"


def usual_session() -> SparkSession:
    """A session with Spark's defaults. Its downloads are kept, as Ivy's cache in the home directory would keep them."""
    builder = SparkSession.builder.appName("the usual way").config("spark.jars.packages", CONNECTOR)
    builder = builder.config("spark.jars.ivy", str(ROOT / "build" / "ivy"))
    return builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()


def write_as_usual() -> None:
    """Let the query count in windows instead of panes, and parse each message by from_json. Without a shuffle that both
    can use, the counts and the dead letters read the topic each for itself.

    The store's table `panes` has whole windows then.
    """
    TrendQuery.panes = property(lambda query: query)
    trends.is_plain = lambda _: F.lit(False)
    trends.shuffle = lambda rows: rows


def plain(options: argparse.Namespace, settings: Settings) -> None:
    """Count only: neither de-duplication nor dead letters."""
    query, cluster = TrendQuery(options.window, options.slide, options.watermark), Cluster(settings.bootstrap_servers)
    spark = spark_session(settings, throughput=options.available_now)
    messages = read_topic(spark, cluster, options.topic, options.starting_offsets, settings.batch_messages)
    store, checkpoint = Store.in_folder(options.output), options.output / "checkpoint"
    store.create()
    store.remember(asdict(query))

    def write(batch: DataFrame, number: int) -> None:
        store.write(number, limits(checkpoint, number), batch.collect(), {})

    tweets = messages.select(F.from_json(F.col("value").cast("string"), SCHEMA).alias("tweet")).select("tweet.*")
    hashtags = tweets.withWatermark("created_at", query.watermark).transform(trends.hashtags)
    panes = hashtags.transform(trends.count_windows, query.panes.window, query.panes.slide)
    counts = panes.select(F.unix_millis("window_start"), "hashtag", "tweets")
    trigger = {"availableNow": True} if options.available_now else {"processingTime": options.trigger}
    writer = counts.writeStream.outputMode("update").trigger(**trigger).foreachBatch(write)
    asked_to_stop, started = stop_signal(), writer.option("checkpointLocation", str(checkpoint)).start()
    wait_until(lambda: asked_to_stop.is_set() or not started.isActive, 1e9)
    started.stop()
    stop(spark)
    print(json.dumps({"windows": len(store.windows())}))


def main(argv: Sequence[str] | None = None) -> None:
    way, query, *rest = sys.argv[1:] if argv is None else argv
    if way in ("usual", "defaults"):
        usual_session()  # lib.spark_session takes the running one
    if way == "usual":
        write_as_usual()
    settings = Settings.from_environment()
    consumer(rest) if query == "full" else plain(parse_options(rest, settings), settings)


if __name__ == "__main__":
    run(main)
