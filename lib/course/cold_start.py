"""Program whose start is measured: it imports Spark, starts it, and runs the first micro-batches of a query on a topic.

`measure` runs it as a process of its own, with a topic and the time at which it began. It prints one JSON object,
{part of the start: seconds}.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

PARTS = (
    "Python and its Kafka client",
    "the other imports",
    "Java starts",
    "Spark starts",
    "the query starts",
    "first micro-batch",
    "second micro-batch",
)
BATCH_MESSAGES = 1000
PROGRAM_SECONDS, BATCHES_SECONDS = 300, 240


def measure(topic: str, archive_dir: Path) -> dict[str, float]:
    """The seconds of each of the PARTS, in a process that looks for class-data archives in that folder.

    Raises subprocess.CalledProcessError if the process fails, and TimeoutExpired after five minutes.
    """
    environment = os.environ | {"STREAM_ARCHIVE_DIR": str(archive_dir)}
    # Its own begin, as the system tells it, can be a second too early: Linux counts it from a whole second.
    command = [sys.executable, "-m", "lib.course.cold_start", topic, str(time.time())]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=PROGRAM_SECONDS)
    return json.loads(done.stdout)


def until_ready(parts: dict[str, float]) -> tuple[float, float]:
    """Of a start that was measured, the seconds until a Python program without Spark could read a topic, and until a
    batch query of Spark could begin. Such a query has no stream to start."""
    lengths = [*parts.values()]
    return lengths[0], sum(lengths[: PARTS.index("Spark starts") + 1])


def main() -> None:
    # Imported here: what an import takes is a part of what is measured. Without Spark a program needs the first two.
    from lib.settings import Settings
    from lib.topics import Cluster

    moments = [float(sys.argv[2]), time.time()]
    from lib import consumer, trends
    from lib.query import TrendQuery
    from lib.spark_session import spark_session, stop
    from lib.wait import wait_until

    moments.append(time.time())
    settings = Settings.from_environment()
    spark = spark_session(settings, "cold start")
    moments += [spark.sparkContext.startTime / 1000, time.time()]
    messages = consumer.read_topic(spark, Cluster.of(settings), sys.argv[1], "earliest", BATCH_MESSAGES)
    rows = trends.trending(messages, TrendQuery(settings.window, settings.slide, settings.watermark))
    with tempfile.TemporaryDirectory(dir=settings.folder("tmp")) as folder:
        writer = rows.writeStream.outputMode("update").format("noop").option("checkpointLocation", folder)
        query = writer.start()
        wait_until(lambda: len(query.recentProgress) >= 2, BATCHES_SECONDS)
        query.stop()
    for report in query.recentProgress[:2]:
        begun = datetime.fromisoformat(report.timestamp).timestamp()
        moments += [begun, begun + report.durationMs["triggerExecution"] / 1000]
    del moments[-2]  # the second micro-batch begins when the first one ends
    stop(spark)
    print(json.dumps(dict(zip(PARTS, (end - begin for begin, end in pairwise(moments)), strict=True))))


if __name__ == "__main__":
    main()
