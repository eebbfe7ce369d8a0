"""The streaming application on a real broker, judged by an oracle: each message counted once, each window right."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from kafka import TopicPartition

from lib.consumer.store import Store
from lib.errors import QueryError, SettingError
from lib.wait import wait_until
from tests.integration.conftest import FLAGS, NOW
from tests.judge import dead_letters
from tests.spark.conftest import HOSTILE, changed

NOON_MS = 1767268800000


def test_a_stream_is_counted_exactly_while_it_arrives(cluster, topic, fill, start, judge):
    running = start()
    for seed in range(4):  # in several micro-batches, so that there is a watermark for the late ones
        fill(1000, "--seed", seed, *FLAGS)
        running.wait_for(cluster.offsets(topic), seconds=60)
    totals = running.stop()
    assert totals == running.stop(), "stopping twice is safe"
    judge()
    assert totals["received"] == 4000 and totals["duplicates"] == 80 and totals["malformed"] == 40
    assert totals["late"] >= 10, "from the second batch on, tweets of 10 minutes ago are late"
    assert not running.store.ranking(10).empty


def test_dead_letters_are_written_with_the_counts_of_their_batch(cluster, topic, fill, start):
    running = start()
    for seed in (0, 1):
        fill(100, "--seed", seed, "--malformed", 0.1)
        running.wait_for(cluster.offsets(topic), seconds=60)
        assert len(dead_letters(running.store)) == 10 * (seed + 1)


def test_each_message_is_read_and_parsed_once(fill, start, capsys):
    fill(100)
    running = start(trigger=NOW)
    running.finish(seconds=60)
    running.counting.explain()
    plan = capsys.readouterr().out
    assert plan.count("MicroBatchScan") == plan.count("ReusedExchange") == 1, plan
    assert plan.count("Exchange hashpartitioning(second") == 2, "one of them is where it is reused"


def test_hadoop_starts_few_programs_for_the_files_of_a_checkpoint(spark, fill, start):
    fill(100)
    running = start(trigger=NOW)
    running.finish(seconds=60)
    assert not list(running.checkpoint.rglob("*.crc")), "each would be made by a program of its own"
    jvm, state = spark._jvm, running.checkpoint / "state"
    managers = jvm.org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager
    folder = jvm.org.apache.hadoop.fs.Path(state.as_uri())
    manager = managers.create(folder, spark._jsparkSession.sessionState().newHadoopConf())
    assert manager.getClass().getSimpleName() == "FileSystemBasedCheckpointFileManager", "others start readlink"


def test_another_query_of_the_session_is_not_taken_for_the_consumer_s(spark, cluster, topic, fill, start):
    running = start()
    another = spark.readStream.format("rate").load().writeStream.format("noop").start()
    try:
        fill(100)
        running.wait_for(cluster.offsets(topic), seconds=60)
    finally:
        another.stop()


def test_hostile_messages_never_stop_the_query(cluster, topic, send, start, judge):
    cluster.alter(topic, "message.timestamp.type", "CreateTime")
    values = [value for value in HOSTILE if value is None or len(value) < 900_000]
    values += [changed(id="long", text="#x " + "y" * 1_000_000), b"\xff" * 1_000_000]  # the most that a broker takes
    old = [changed(id=f"old{y}", created_at=f"{y}-01-01T00:00:00.000Z") for y in (1900, 1969, 1970, 1971)]
    running = start()
    for part in (values, old + values[::-1], values):
        send(part, timestamp_ms=NOON_MS)
        running.wait_for(cluster.offsets(topic), seconds=60)
    assert running.active
    totals = running.stop()
    judge()
    assert totals["received"] == 3 * len(values) + len(old) and totals["counted"] > 0


def test_tweets_before_1970_are_late_from_the_first_batch_on(send, start, judge):
    send([changed(id=f"{y}", created_at=f"{y}-12-31T23:59:59.999Z") for y in (1500, 1969, 1970)])
    assert start(trigger=NOW).finish(seconds=60)["late"] == 2
    judge()


def test_a_second_start_gives_the_running_one_or_is_refused(start, tmp_path):
    running = start()
    assert start() is running
    with pytest.raises(QueryError) as refused:
        start(query=replace(running.query, slide="10 seconds"))
    assert refused.value.data["running"]["query"] == running.query
    running.close()
    again = start()
    assert again is not running and again.active
    with again:
        pass
    assert not again.active


def test_a_backlog_is_counted_in_bounded_batches_and_then_it_ends(topic, fill, judge, tmp_path, run_module):
    fill(2000, *FLAGS)
    arguments = ["--topic", topic, "--output", tmp_path / "out", "--available-now", "--top", 3]
    run = run_module("consumer", *arguments)
    totals = json.loads(run.stdout.splitlines()[-1])
    assert totals == {"received": 2000, "counted": 1940, "duplicates": 40, "late": 0, "malformed": 20}
    assert "Trending topics" in run.stdout and "#" in run.stdout and run.stderr == ""
    assert totals == judge().totals()

    os.rename(tmp_path / "out" / "checkpoint", tmp_path / "elsewhere")
    refused = run_module("consumer", *arguments)
    assert refused.returncode == 1 and "python -m lib.reset" in refused.stderr and "Traceback" not in refused.stderr
    moved = run_module("consumer", *arguments, "--checkpoint", tmp_path / "elsewhere")
    assert json.loads(moved.stdout.splitlines()[-1]) == totals, "the totals are those of before, and nothing is new"


def test_a_batch_takes_at_most_so_many_messages(fill, start, judge):
    fill(3000, *FLAGS)
    running = start(at_most=700, trigger=NOW)
    totals = running.finish(seconds=120)
    taken = [sum(batch.ends.values()) for batch in running.store.batches()]
    assert all(690 < b - a <= 700 for a, b in zip([0, *taken], taken[:4], strict=False)) and taken[-1] == 3000
    assert totals == judge().totals() and totals["received"] == 3000


def test_latest_begins_with_what_comes_next(cluster, topic, fill, start):
    fill(300)
    running = start(starting="latest")
    fill(200, "--seed", 1)
    running.wait_for(cluster.offsets(topic), seconds=60)
    assert running.stop()["received"] == 200


def test_a_restart_keeps_totals_and_ranking_also_without_new_messages(fill, start, judge):
    fill(20_000, *FLAGS)
    before = start(trigger=NOW)
    totals = before.finish(seconds=60)
    again = start()
    assert again.store.totals() == totals and again.progress.offsets == before.progress.offsets
    assert again.store.ranking(10).equals(before.store.ranking(10)) and len(again.store.ranking(10)) == 10
    again.stop()
    judge()


def refused(start, **options) -> dict:
    """The data of the QueryError with which the consumer does not start."""
    with pytest.raises(QueryError) as caught:
        start(**options)
    return caught.value.data


def test_what_does_not_belong_together_is_refused(cluster, topic, question, fill, start, tmp_path):
    fill(500)
    output = tmp_path / "out"
    start(trigger=NOW).finish(60)
    wider = replace(question, window="60 seconds")
    assert refused(start, query=wider, trigger=NOW)["differing"] == {"window": "30 seconds"}
    with pytest.raises(QueryError):
        start(output=tmp_path / "new", trigger={"processingTime": "never"})
    with pytest.raises(SettingError):
        start(output=tmp_path / "new", top=0)

    os.rename(output / "trends.db", tmp_path / "trends.db")
    assert refused(start, trigger=NOW)["missing"] == str(output / "trends.db")
    os.rename(tmp_path / "trends.db", output / "trends.db")
    os.rename(output / "checkpoint", tmp_path / "checkpoint")
    assert refused(start, trigger=NOW)["checkpoint"] == output / "checkpoint"
    shutil.rmtree(output / "checkpoint")
    os.rename(tmp_path / "checkpoint", output / "checkpoint")

    cluster.delete(topic)
    cluster.create(topic, partitions=2)
    assert refused(start, trigger=NOW) == {"recreated": topic}
    (tmp_path / "a-file").write_text("")
    assert refused(start, output=tmp_path / "a-file" / "out")["path"]


def test_a_store_of_another_version_is_refused(fill, start, tmp_path):
    """Such as one of two queries: Spark would refuse its checkpoint."""
    fill(500)
    start(trigger=NOW).finish(60)
    file = tmp_path / "out" / "trends.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE run SET name = 'counts', value = 'panes' WHERE name = 'format'")
    assert refused(start, trigger=NOW) == {"store": str(file)}


def test_a_checkpoint_or_a_store_that_is_older_than_the_other_is_refused(fill, start, tmp_path, run_main):
    output = tmp_path / "out"
    fill(500)
    start(trigger=NOW).finish(60)
    for name in ("trends.db", "checkpoint"):
        subprocess.run(["cp", "-r", output / name, tmp_path / name], check=True)
    fill(500, "--seed", 1)
    start(trigger=NOW).finish(60)
    for name, data in (("trends.db", {"written": 0, "committed": 1}), ("checkpoint", {"written": 1, "planned": 0})):
        os.rename(output / name, tmp_path / "newer")
        subprocess.run(["cp", "-r", tmp_path / name, output / name], check=True)
        assert refused(start, trigger=NOW).items() >= data.items()
        subprocess.run(["rm", "-r", output / name], check=True)
        os.rename(tmp_path / "newer", output / name)
    assert start(trigger=NOW).finish(60)["received"] == 1000


def test_expired_messages_are_told(cluster, topic, fill, start):
    fill(500)
    start(trigger=NOW).finish(60)
    fill(500, "--seed", 2)
    ends = {TopicPartition(topic, p): end for p, end in cluster.offsets(topic).items()}
    cluster.ask(lambda client: client.delete_records(ends))
    assert refused(start, trigger=NOW) == {"expired": 500}


def test_two_consumers_on_one_store_or_one_checkpoint(topic, start, tmp_path, run_module):
    running = start()
    used = {"--output": tmp_path / "out", "--checkpoint": tmp_path / "another"}
    for options in (used, {"--output": tmp_path / "another", "--checkpoint": tmp_path / "out" / "checkpoint"}):
        second = run_module("consumer", "--topic", topic, *[text for pair in options.items() for text in pair])
        assert second.returncode == 1 and "QueryError: another consumer uses " in second.stderr
        assert "Traceback" not in second.stderr and str(tmp_path / "out") in second.stderr
    assert running.active


def test_a_second_process_reads_the_store_while_it_is_written(fill, start, tmp_path):
    """By SQL alone, as a student would: each look sees whole batches, and the last one all of them."""
    fill(4000)
    running = start(at_most=100, trigger=NOW)
    look = (
        "import sqlite3, sys, time\n"
        "db = sqlite3.connect(sys.argv[1])\n"
        "seen = set()\n"
        "while max(seen, default=(0, 0))[0] < 39:\n"
        "    seen.add(db.execute('select max(batch), (select count(distinct batch) > 0 from windows) from batches"
        " where batch >= (select max(batch) from windows)').fetchone())\n"
        "    time.sleep(0.01)\n"
        "print(len(seen))"
    )
    wait_until(lambda: running.store.last_batch() is not None, seconds=60)
    reader = subprocess.run(
        [sys.executable, "-c", look, tmp_path / "out" / "trends.db"], capture_output=True, text=True, timeout=240
    )
    assert reader.returncode == 0 and int(reader.stdout) > 3, reader.stderr
    assert running.finish(60)["received"] == 4000


def test_the_ranking_does_not_depend_on_the_time_zone(topic, fill, tmp_path, run_module):
    """Spark's collect() gives local times: the ranking must be the same wherever the course is taken."""
    fill(12_000, "--start", "2026-01-01T12:00:00Z")
    rankings = []
    for zone in ("Asia/Tokyo", "America/Lima"):
        output = tmp_path / f"out {zone[:4]} ñ"
        run = run_module("consumer", "--topic", topic, "--output", output, "--available-now", environment={"TZ": zone})
        assert run.returncode == 0, run.stderr
        with closing(Store(output / "trends.db")) as store:
            rankings.append(store.ranking(10))
    assert rankings[0].equals(rankings[1]) and len(rankings[0]) == 10
    assert str(rankings[0].window_end[0]).startswith("2026-01-01 12:00:")


def test_a_deadline_that_passes_tells_the_lag(start):
    running = start()
    with pytest.raises(QueryError) as late:
        running.wait_for({0: 7}, seconds=0.2)
    assert late.value.data == {"lag": 7}
    with pytest.raises(QueryError) as late:
        running.finish(seconds=0.2)
    assert late.value.data == {"seconds": 0.2}
    assert not running.active


def test_spark_listens_on_loopback_only():
    """In a process of its own with the web UI, which the shared session does not have."""
    code = (
        "from lib.settings import Settings; from lib.spark_session import spark_session; "
        "print(spark_session(Settings.from_environment()).sparkContext.uiWebUrl, flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"STREAM_SPARK_UI": "true"},
    )  # fmt: skip
    try:
        web_port = int(process.stdout.readline().rpartition(":")[2])
        listening = [
            connection.laddr
            for each in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for connection in each.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
    finally:
        process.communicate("\n", timeout=30)
    assert web_port in [address.port for address in listening] and len(listening) > 2
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_the_line_that_help_prints_for_spark_submit_works(topic, fill, judge, tmp_path, run_main):
    fill(3000, *FLAGS)
    line = run_main("consumer", "--help").stdout.strip().splitlines()[-1].strip()
    assert line.startswith("spark-submit --jars ")
    command = [*line.replace("DIR", str(tmp_path / "out")).split(), "--topic", topic, "--available-now"]
    here = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | here, timeout=300, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert judge().totals()["received"] == 3000


def test_a_wrong_master_is_refused(topic, run_main):
    run = run_main("consumer", "--topic", topic, "--master", "nonsense")
    assert run.returncode == 1 and run.error.data == {"value": "nonsense"}
