"""Crashes of the consumer and of Spark's Java process: what was counted stays right, and a new start continues."""

import json
import os
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from lib.consumer.status import status_of
from lib.consumer.store import Store
from lib.errors import QueryError
from lib.live_table import LiveTable
from lib.producer import start_producer
from lib.spark_session import died, spark_session
from lib.wait import wait_until
from tests.conftest import gone
from tests.integration.conftest import FLAGS, MISCHIEF
from tests.processes import spark_of

# A consumer that kills itself at a moment of its batch number N: before the transaction, in it, or after it and before
# Spark's own commit.
KILLER = """
import os, signal, sys
from lib.consumer import __main__ as command, store
moment, number = sys.argv[1], int(sys.argv[2])
write, upsert = store.Store.write, store.upsert

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dying_write(self, batch, *rest):
    now = moment if batch >= number else ""
    if now == "before":
        die()
    if now == "in":
        store.upsert = lambda *arguments: (upsert(*arguments), die())
    write(self, batch, *rest)
    if now == "after":
        die()

store.Store.write = dying_write
command.main(sys.argv[3:])
"""


def written(place) -> int:
    """The number of the newest batch in the store; -1 before the first."""
    try:
        with closing(Store(place)) as store:
            last = store.last_batch() if store.exists() else None
    except QueryError:  # its tables are being made
        last = None
    return -1 if last is None else last


def test_killed_at_any_moment_it_continues_and_stays_right(topic, fill, judge, place, tmp_path, request, run_module):
    """Seeded runs on one stream, four by default; `--crashes 30` gives 30."""
    moments, where = random.Random(5), ["--topic", topic, "--output", tmp_path / "out"]
    if not isinstance(place, Path):
        where += ["--store", place]
    for run in range(request.config.getoption("--crashes")):
        fill(2000, "--seed", run, *FLAGS)
        moment = ("before", "in", "after")[run % 3] if run < 3 else moments.choice(("before", "in", "after"))
        number = written(place) + moments.randint(1, 3)
        options = [*where, "--trigger", "0 seconds", "--available-now"]
        environment = os.environ | {"STREAM_BATCH_MESSAGES": "500"}
        command = [sys.executable, "-c", KILLER, moment, number, *options]
        killed = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, timeout=300)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    end = run_module("consumer", *where, "--available-now")
    assert end.returncode == 0, end.stderr
    answer = judge(place)
    assert answer.totals()["received"] == 2000 * request.config.getoption("--crashes")
    assert answer.totals()["duplicates"] and answer.totals()["malformed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_whole_group_leaves_nothing_behind(settings, topic, judge, tmp_path, spawn, run_module, number):
    producer = start_producer(settings, topic, rate=500, **MISCHIEF)
    process = spawn("consumer", "--topic", topic, "--output", tmp_path / "out", "--trigger", "0 seconds")
    wait_until(lambda: written(tmp_path / "out" / "trends.db") >= 2, seconds=90)
    started = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number)  # to the whole group, as `timeout` and service managers do
    out, err = process.communicate(timeout=60)
    if number == signal.SIGTERM:
        assert process.returncode == 0, err
        totals = json.loads(out.splitlines()[-1])
        assert totals["received"] == sum(totals[name] for name in ("counted", "duplicates", "late", "malformed"))
        judge()
    wait_until(lambda: all(gone(p.pid) for p in started), seconds=30)
    acked = producer.stop()["acked"]
    end = run_module("consumer", "--topic", topic, "--output", tmp_path / "out", "--available-now")
    assert end.returncode == 0, end.stderr
    assert judge().totals()["received"] == acked


@pytest.mark.parametrize("moment", ["between batches", "in a batch"])
def test_spark_dies_and_a_new_start_in_the_same_process_continues(
    settings, cluster, topic, fill, start, judge, moment, monkeypatch
):
    running = start()
    fill(1000, *FLAGS)
    running.wait_for(cluster.offsets(topic), seconds=60)
    live = LiveTable(running, refresh_seconds=1).show()
    java = running.spark.sparkContext._gateway.proc.pid
    if moment == "in a batch":
        monkeypatch.setattr(running.store, "write", lambda *_: os.kill(java, signal.SIGKILL))
        fill(1000, "--seed", 1, *FLAGS)
    else:
        os.kill(java, signal.SIGKILL)
    wait_until(lambda: "failed" in live.table.value and "spark_session()" in live.table.value, seconds=10)
    assert status_of(running).state == "failed" and not running.active and not running.unfinished
    with monkeypatch.context() as patch:
        patch.setattr("lib.consumer.running.died", lambda: False)  # it does not answer, and has not ended yet
        assert running.error().data == {"log": running.log}
    with pytest.raises(QueryError) as failed:
        running.stop()
    assert failed.value.data == {"log": running.log}
    live.stop()
    assert died()

    fresh = spark_session(settings, "tests")
    from lib import consumer

    messages = consumer.read_topic(fresh, cluster, topic, "earliest")
    with consumer.start(messages, running.query, running.output, cluster, topic) as again:
        fill(1000, "--seed", 2, *FLAGS)
        again.wait_for(cluster.offsets(topic), seconds=90)
        again.stop()
    assert judge().totals()["received"] == sum(cluster.offsets(topic).values())


@pytest.mark.parametrize("moment", ["at the start", "later"])
def test_the_command_ends_with_two_lines_where_spark_dies(topic, fill, tmp_path, spawn, moment):
    fill(1000)
    process = spawn("consumer", "--topic", topic, "--output", tmp_path / "out")

    spark = wait_until(lambda: spark_of(process.pid), seconds=60)
    if moment == "later":
        wait_until(lambda: written(tmp_path / "out" / "trends.db") >= 0, seconds=60)
    spark.kill()
    _, err = process.communicate(timeout=30)
    lines = err.strip().splitlines()
    assert process.returncode == 1 and lines[0].startswith("QueryError: Spark's Java process ") and len(lines) <= 5, err
    assert "What to do: " in err and "Traceback" not in err
