"""Spark session with the Kafka connector: quiet, in UTC, and listening on loopback only, unless told another address.

In Spark's words this process is the driver; `local[2]` makes its JVM run the tasks too, two at a time. With the address
of a cluster (`spark://…`) the executors of its workers run them.
"""

import os
import re
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from shutil import make_archive

import pyspark
from py4j.java_gateway import JavaGateway, java_import
from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from lib.errors import QueryError, SettingError
from lib.infra.archive import archive_options
from lib.infra.jars import jars
from lib.infra.java import LOG_CONFIGURATION, QUICK_START, find_java, home_of
from lib.settings import ROOT, Settings

ROCKSDB = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
FILE_MANAGER = "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
LOG_KEY = "spark.arqesp.log"
CONNECTION_LOST = (Py4JError, OSError)  # what a call raises when Spark's Java process has ended


def spark_session(settings: Settings, name: str = "trending topics", throughput: bool = False) -> SparkSession:
    """The running session, or a new one at `settings.spark_master`.

    Times are UTC. Its log is build/logs/spark.log. Nothing is printed, and it listens on `settings.driver_host` only.
    On a cluster the executors get the connector and `lib` from the driver.
    `throughput` lets the JVM compile for throughput; without it a lesson's first batch comes a quarter sooner.
    Raises JavaError, JarError, SettingError for an invalid master or a build folder that cannot be written, and
    QueryError if Spark does not start.
    """
    master = settings.spark_master
    if not re.fullmatch(r"local(\[(\d+|\*)\])?|spark://.+|local-cluster\[.+\]", master):
        raise SettingError(
            f"{master!r} is not a Spark master", "use local[2], or a cluster's address: spark://host:7077", value=master
        )
    if died():
        forget()
    if running := SparkSession.getActiveSession():
        return running
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # spark-submit has started the JVM already, with its own options
        return SparkSession.builder.appName(name).config(map=sql_options(settings, throughput)).getOrCreate()
    java = find_java(settings)
    set_environment(settings, java)
    options = sql_options(settings, throughput) | jvm_options(settings, throughput, java)
    conf = SparkConf().setMaster(master).setAppName(name).setAll(options.items())
    context = SparkContext(gateway=running_gateway() or launch(conf, settings.folder("logs")), conf=conf)
    write_no_checksums(context)
    if on_cluster(master):  # for Python code that executors run, such as that of transformWithState
        context.addPyFile(make_archive(str(settings.folder("tmp") / "lib"), "zip", ROOT, "lib"))
    if threading.current_thread() is threading.main_thread():
        # SparkContext makes an interrupt cancel all jobs, and Jupyter's Interrupt would fail the running queries.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return SparkSession(context)


def write_no_checksums(context: SparkContext) -> None:
    """Let Hadoop in the driver's JVM write no file with a checksum (`.NAME.crc`) beside each local file.

    pyspark lacks Hadoop's native library, so Hadoop starts a program for each file that it makes, chmod. Without these
    files, and with FILE_MANAGER, a micro-batch of the consumer starts 9 programs instead of 68.
    """
    # Private in pyspark (tried with 4.2.0), which has no public way to Hadoop.
    context._jvm.org.apache.hadoop.fs.FileSystem.getLocal(context._jsc.hadoopConfiguration()).setWriteChecksum(False)


def on_cluster(master: str) -> bool:
    """Whether the tasks run in other processes than the driver's."""
    return not re.match(r"local(\[|$)", master)


def log_of(spark: SparkSession) -> str:
    """The path of the session's log, for a message; under spark-submit it is not known."""
    return spark.conf.get(LOG_KEY, "the log of Spark's driver")


def died() -> bool:
    """Whether the Java process that this process has started for Spark has ended, or does not answer any more: for a
    moment after a kill it has not ended yet."""
    gateway = running_gateway()
    process = getattr(gateway, "proc", None)  # none under spark-submit, whose child this process is
    if process is None or process.poll() is not None:
        return process is not None
    try:
        gateway.jvm.System.nanoTime()
    except CONNECTION_LOST:
        return True
    return False


def forget() -> None:
    """Forget a session whose Java process has ended, so that a new one can be started in this process.

    Uses private attributes of pyspark (tried with 4.2.0): its own stop() asks the process that is gone.
    """
    with suppress(*CONNECTION_LOST):
        running_gateway().shutdown()
    with SparkContext._lock:
        SparkContext._active_spark_context = SparkContext._gateway = SparkContext._jvm = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None


def stop(spark: SparkSession) -> None:
    """Stop a session, also one whose Java process has ended."""
    forget() if died() else spark.stop()


def set_environment(settings: Settings, java: Path) -> None:
    """Set the environment variables that Spark's start reads, and remove those of another Spark."""
    os.environ["JAVA_HOME"] = str(home_of(java))
    # The UI and the block manager bind to it; there is no option for it.
    os.environ["SPARK_LOCAL_IP"] = settings.driver_host
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # glibc gives threads up to eight malloc arenas for each core, and RocksDB's blocks fragment all of them.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)
    # A Java process of its own only makes the command line: half a second sooner with these options.
    os.environ["SPARK_LAUNCHER_OPTS"] = " ".join(QUICK_START)
    for name in ("SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS"):
        os.environ.pop(name, None)


def launch(conf: SparkConf, logs: Path) -> JavaGateway:
    """Start Spark's JVM. What it prints before its log exists goes to a file; QueryError if it ends at once."""
    with open(logs / "spark-console.log", "wb") as console:
        try:
            # In its own session: a SIGTERM to our process group must not end it before our queries have ended.
            gateway = launch_gateway(conf, popen_kwargs={"stderr": console, "start_new_session": True})
        except PySparkRuntimeError:
            last = Path(console.name).read_text(errors="replace").strip().splitlines()[-3:]
            raise QueryError(
                "Spark's Java process ended while it was starting:\n  " + "\n  ".join(last),
                f"see {console.name}; check Java with: python -m lib.infra.java",
            ) from None
    # pyspark names it without its package, and for each report of a stream all jars would be searched for it.
    java_import(gateway.jvm, "org.apache.spark.sql.api.python.PythonSQLUtils")
    return gateway


def running_gateway() -> JavaGateway | None:
    """The connection to this process's JVM, which outlives spark.stop(): a new session must be made in it.

    Uses a private attribute of pyspark (tried with 4.2.0), which has no public way to ask for it.
    """
    return SparkContext._gateway


def sql_options(settings: Settings, throughput: bool) -> dict[str, str]:
    """The options that the queries need, wherever they run."""
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # In update mode a batch without data emits nothing, and would take as long as one with data.
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        # State on disk, of which a batch saves only what it has changed: a backlog of any size fits into the heap.
        "spark.sql.streaming.stateStore.providerClass": ROCKSDB,
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        "spark.sql.streaming.stateStore.rocksdb.boundedMemoryUsage": "true",
        # Its cache grows until it is full: by 10 MB a minute at 1,000 tweets/s, up to 500 MB by default.
        "spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB": "128",
        # Counting the rows of the state takes a lookup for each row written: a tenth of the drain.
        "spark.sql.streaming.stateStore.rocksdb.trackTotalNumberOfRows": str(not throughput).lower(),
        "spark.sql.streaming.stopTimeout": "30s",
        # Java's own lower(): ICU's, which is the default, takes a second to load its tables, in the first batch.
        "spark.sql.icu.caseMappings.enabled": "false",
    }


def class_path(connector: list[Path]) -> list[Path]:
    """What comes first on the class path: the jars of pyspark from which most classes are loaded, so that they are
    found without looking through the 250 others (half a second sooner), and the connector's."""
    names = "spark-catalyst scala-library spark-core spark-sql-api spark-sql scala-reflect hadoop-client-api janino"
    folder = Path(pyspark.__file__).parent / "jars"
    return [jar for name in names.split() for jar in folder.glob(f"{name}[-_][0-9]*.jar")] + connector


def jvm_options(settings: Settings, throughput: bool, java: Path) -> dict[str, str]:
    """The options of the driver's JVM, which are read only at its start; `java` is the program."""
    connector, temporary = jars("connector"), settings.folder("tmp").as_posix()
    log, first = settings.folder("logs") / "spark.log", class_path(connector)
    flags = [
        f'"-Dlog4j2.configurationFile={LOG_CONFIGURATION.as_uri()}"', f'"-Dcourse.log={log.as_posix()}"',
        "-Dcourse.level=WARN", f'"-Djava.io.tmpdir={temporary}"', "-XX:+UseSerialGC", "-XX:MetaspaceSize=256m",
        f"-Xms{min(512, settings.driver_memory_mb)}m",
    ]  # fmt: skip
    if not throughput:  # with this option Java reserves 48 MB for compiled code, which a lesson's queries fill
        flags += ["-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m"]
    archive = [f'"{flag}"' for flag in archive_options(settings, "spark", java, first)]  # a path may have a space
    own_jars = os.pathsep.join(map(str, first))
    executors = executor_options(settings, connector, own_jars, archive) if on_cluster(settings.spark_master) else {}
    return executors | {
        "spark.driver.host": settings.driver_host,
        "spark.driver.bindAddress": settings.driver_host,
        "spark.driver.memory": f"{settings.driver_memory_mb}m",
        "spark.local.dir": temporary,
        "spark.driver.extraClassPath": own_jars,
        "spark.driver.extraJavaOptions": " ".join(flags + archive),
        "spark.ui.enabled": str(settings.spark_ui).lower(),
        "spark.ui.showConsoleProgress": "false",
        # What the web UI would show of the past is kept in the heap, with or without a UI: 1,000 of each by default.
        "spark.ui.retainedJobs": "50",
        "spark.ui.retainedStages": "50",
        "spark.sql.ui.retainedExecutions": "50",
        "spark.sql.warehouse.dir": (settings.build_dir / "spark-warehouse").as_uri(),
        # A rename must be atomic and replace a file, as on a disk. Spark's default starts readlink four times a rename.
        "spark.sql.streaming.checkpointFileManagerClass": FILE_MANAGER,
        LOG_KEY: str(log),
    }


def executor_options(settings: Settings, connector: list[Path], class_path: str, archive: list[str]) -> dict[str, str]:
    """The options of a cluster's executors. They fetch the connector from the driver.

    An archive of classes needs the driver's class path. Where these files are missing, executors ignore both.
    """
    return {
        "spark.jars": ",".join(jar.as_uri() for jar in connector),
        "spark.executor.memory": f"{settings.executor_memory_mb}m",
        "spark.executor.extraClassPath": class_path if archive else "",
        "spark.executor.extraJavaOptions": " ".join([*archive, settings.executor_java_options]),
        # A task that wants the state of an executor waits so long for it, also if it is gone: 3 s by default.
        "spark.locality.wait": "1s",
    }
