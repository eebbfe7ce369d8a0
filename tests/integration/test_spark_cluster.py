"""A Spark standalone cluster of two workers: the store is the one of a local run, though a worker is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from lib.consumer.checkpoint import unfinished
from lib.consumer.store import Store
from lib.spark_cluster import SparkCluster
from lib.wait import wait_until
from tests.conftest import gone
from tests.integration.conftest import FLAGS

TWEETS, BATCH = 60_000, 20_000
SHORT = "-XX:TieredStopAtLevel=1"  # executors that compile quickly, for a short run
EXECUTED = """
import psutil
from pyspark.sql.functions import udf
from lib.settings import Settings
from lib.spark_session import spark_session, stop

spark = spark_session(Settings.from_environment())

@udf("string")
def place(_):
    from lib import tweets
    return tweets.__file__

print(*{row[0] for row in spark.range(4).repartition(4).select(place("id")).collect()}, sep="\\n")
sockets = [c for each in psutil.Process().children() for c in each.net_connections("tcp") if c.status == "LISTEN"]
print(*{c.laddr.ip.removeprefix("::ffff:") for c in sockets})
stop(spark)
"""


@pytest.fixture(scope="module")
def machines(settings):
    """A master and two workers."""
    running = SparkCluster(settings)
    running.up(workers=2, cores=1)
    yield running
    running.down()


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def executors(worker: int) -> list[psutil.Process]:
    """A worker's executors that have registered with the driver: they listen for others that fetch their blocks."""
    found = []
    for each in family(worker)[1:]:
        with suppress(psutil.Error):  # it has ended
            if "CoarseGrainedExecutorBackend" in " ".join(each.cmdline()) and listening(each.pid):
                found.append(each)
    return found


def listening(*pids: int) -> list:
    """The addresses where processes and their children listen; some of these end at any time."""
    found = []
    for process in (each for pid in pids for each in family(pid)):
        with suppress(psutil.Error):
            found += [c.laddr for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    return found


def verdicts(store: Store) -> dict[int, tuple]:
    """{batch: its numbers}, where they are known."""
    rows = pd.read_sql("SELECT batch, received, counted, duplicates, late, malformed FROM batches", store.engine)
    return {row[0]: tuple(row[1:]) for row in rows.dropna().astype(int).itertuples(index=False)}


def on_loopback(*pids: int) -> bool:
    return {address.ip.removeprefix("::ffff:") for address in listening(*pids)} == {"127.0.0.1"}


def test_the_master_and_the_workers_listen_on_loopback(machines):
    assert on_loopback(*machines.state.read().pids)


def test_on_a_cluster_the_store_is_the_local_one_though_a_worker_is_killed(
    machines, topic, fill, judge, tmp_path, run_module, spawn, record_property
):
    fill(TWEETS, *FLAGS)
    here, there = tmp_path / "local", tmp_path / "cluster"
    options = ["--topic", topic, "--available-now", "--output"]
    environment = {
        "STREAM_BATCH_MESSAGES": str(BATCH),
        "STREAM_EXECUTOR_JAVA_OPTIONS": f"{SHORT} -Dstream.test=yes",
        "STREAM_ARCHIVE_DIR": str(tmp_path),  # as on another machine: the executors have nothing but what they fetch
    }
    local = run_module("consumer", *options, here, environment=environment, timeout=300)
    assert local.returncode == 0, local.stderr

    known = machines.state.read()
    consumer = spawn("consumer", *options, there, "--master", known.master, environment=environment)

    def in_work() -> int | None:
        """The number of the batch that runs, if it is not the first."""
        assert consumer.poll() is None, consumer.communicate()
        return unfinished(there / "checkpoint") or None

    [executor] = wait_until(lambda: executors(known.pids[2]), seconds=240, every=0.2)
    assert on_loopback(consumer.pid, *known.pids), "the driver and the executors, too"
    assert "-Dstream.test=yes" in executor.cmdline()
    number = wait_until(in_work, seconds=240)
    used = executor.cpu_times().user
    wait_until(lambda: executor.cpu_times().user > used + 0.1, seconds=60, every=0.01)  # it works on the batch
    os.kill(known.pids[2], signal.SIGKILL)
    killed, working = time.monotonic(), in_work()
    assert working == number, "in the middle of the batch"
    wait_until(lambda: (there / "checkpoint" / "commits" / str(number)).exists(), seconds=240)
    record_property("seconds until the batch was finished by the other worker", time.monotonic() - killed)
    out, err = consumer.communicate(timeout=300)
    assert consumer.returncode == 0, err
    one, other = Store(here / "trends.db"), Store(there / "trends.db")
    # If the worker had finished a part of that batch, Spark repeats it, counts it twice, and its numbers are left out.
    alike, right = verdicts(other), verdicts(one)
    assert alike.keys() | {number} == right.keys() and all(alike[batch] == right[batch] for batch in alike)
    if number in alike:
        assert json.loads(out.splitlines()[-1]) == json.loads(local.stdout.splitlines()[-1])
    assert (
        judge(there / "trends.db").totals() == judge(here / "trends.db").totals()
        and judge(there / "trends.db").totals()["received"] == TWEETS
    )
    pd.testing.assert_frame_equal(one.windows(), other.windows())
    assert [batch.ends for batch in one.batches()] == [batch.ends for batch in other.batches()]

    wait_until(lambda: gone(executor.pid), seconds=60)
    assert machines.up(workers=2, cores=1) == known.master
    again = machines.state.read()
    assert list(again.pids[:2]) == list(known.pids[:2]), "those that run stay"
    assert again.pids[2] != known.pids[2], "only the missing one is started"


def test_the_executors_get_lib_and_the_driver_listens_where_it_is_told(machines):
    """127.0.0.2 is this machine too; nothing listens there by default."""
    environment = {"STREAM_SPARK_MASTER": machines.state.read().master, "STREAM_DRIVER_HOST": "127.0.0.2"}
    command = [sys.executable, "-c", EXECUTED]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=300)
    assert run.returncode == 0, run.stderr
    place, addresses = run.stdout.splitlines()
    assert Path(place).match("lib.zip/lib/tweets/__init__.py")
    assert set(addresses.split()) == {"127.0.0.1", "127.0.0.2"}, (
        "127.0.0.1: Python's connection to its own Java process"
    )


def test_down_ends_all(machines, run_main):
    """The last test of the file."""
    known = machines.state.read()
    status = run_main("spark_cluster", "status")
    assert status.returncode == 0 and known.master in status.stdout and status.stdout.count("cores in use") == 2
    assert run_main("spark_cluster", "down").returncode == 0
    assert all(map(gone, known.pids)) and machines.state.read() is None
    assert run_main("spark_cluster", "down").returncode == 0, "twice"
    assert run_main("spark_cluster", "status").returncode == 1
