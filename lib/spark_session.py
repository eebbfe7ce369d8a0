"""Around the tweet's way: the Spark session, on this machine's loopback only, quiet, and with the Kafka connector.

In Spark's words this process is the driver; `local[2]` makes its JVM run the tasks too, two at a time.
"""

import os
import re
import signal
import sys
import threading
from pathlib import Path

import pyspark
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from lib.errors import QueryError, SettingError
from lib.infra.embedded import LOG_CONFIGURATION
from lib.infra.jars import jars
from lib.infra.java import java_home
from lib.settings import settings

LOG = settings.build_dir / "logs" / "spark.log"


def spark_session(
    name: str = "trending topics", master: str = settings.spark_master, for_hours: bool = False
) -> SparkSession:
    """The running session, or a new one. Raises JavaError, JarError, SettingError for a master that is none or
    a build folder that cannot be written, and QueryError where Spark does not start.

    Times are UTC. Its log is build/logs/spark.log; nothing is printed, nothing listens outside 127.0.0.1.
    `for_hours` lets the JVM compile for throughput; without it a lesson's first batch comes a quarter sooner.
    """
    if running := SparkSession.getActiveSession():
        return running
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # under spark-submit the JVM is there already, with its own options
        return SparkSession.builder.appName(name).config(map=sql_options()).getOrCreate()
    if not re.fullmatch(r"local(\[(\d+|\*)\])?|spark://.+|local-cluster\[.+\]", master):
        raise SettingError(
            f"{master!r} is not a Spark master", "use local[2], or a cluster's address: spark://host:7077"
        )
    settings.folder("logs")
    os.environ["JAVA_HOME"] = str(java_home())
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"  # the UI and the block manager bind to it; they take no option
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)  # another course's Spark must not be started
    for name_of_other in ("SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS"):
        os.environ.pop(name_of_other, None)
    conf = SparkConf().setMaster(master).setAppName(name).setAll((sql_options() | jvm_options(for_hours)).items())
    # The JVM prints warnings of its own before any log exists: they go to a file too.
    with open(LOG.with_name("spark-console.log"), "wb") as console:
        try:
            # After spark.stop() the JVM lives on, and a new session is made in it.
            # In its own session: a SIGTERM to our whole process group must not end it before our queries have ended.
            apart = {"stderr": console, "start_new_session": True}
            gateway = SparkContext._gateway or launch_gateway(conf, popen_kwargs=apart)
        except PySparkRuntimeError:
            last = LOG.with_name("spark-console.log").read_text(errors="replace").strip().splitlines()[-3:]
            raise QueryError(
                "Spark's Java process ended while it was starting:\n  " + "\n  ".join(last),
                f"see {LOG.with_name('spark-console.log')}; check Java with: python -m lib.infra.java",
            ) from None
    context = SparkContext(gateway=gateway, conf=conf)
    if threading.current_thread() is threading.main_thread():
        # SparkContext makes an interrupt cancel all jobs, and Jupyter's Interrupt would fail the running queries.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return SparkSession(context)


def sql_options() -> dict[str, str]:
    """What the queries need, wherever they run."""
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # In update mode a batch without data has nothing to emit, and each would cost as much as one with data.
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        # The recount reads batch limits and watermarks from the checkpoint's offset log: keep hours of it.
        "spark.sql.streaming.minBatchesToRetain": "10000",
        "spark.sql.streaming.stopTimeout": "30s",
    }


def jvm_options(for_hours: bool) -> dict[str, str]:
    """What the driver's JVM needs, which only counts before it starts."""
    connector, temporary = jars("connector"), settings.folder("tmp").as_posix()
    quick = "" if for_hours else " -XX:TieredStopAtLevel=1"
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": settings.driver_memory,
        "spark.local.dir": temporary,
        "spark.driver.extraClassPath": os.pathsep.join(map(str, connector)),
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={LOG_CONFIGURATION.as_uri()} "
        f'"-Dcourse.log={LOG.as_posix()}" "-Djava.io.tmpdir={temporary}" -Dcourse.level=WARN -XX:+UseSerialGC{quick}',
        "spark.ui.enabled": str(settings.spark_ui).lower(),
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": (settings.build_dir / "spark-warehouse").as_uri(),
    }
