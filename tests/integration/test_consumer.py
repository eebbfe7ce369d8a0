"""The streaming application on a real broker, judged by an oracle: each message counted once, each window right."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer, TopicPartition

from lib import consumer, recount, topics, trends
from lib.consumer import batches, status
from lib.errors import QueryError, SettingError
from lib.producer import start_producer
from lib.settings import settings
from lib.wait import wait_until
from tests.integration.test_trends import HOSTILE, changed

MISCHIEF = ["--late", 0.01, "--duplicates", 0.02, "--malformed", 0.01]


def send(topic, values, **options):
    with_client = KafkaProducer(bootstrap_servers=settings.bootstrap_servers, max_request_size=4_000_000)
    for number, value in enumerate(values):
        with_client.send(topic, value, b"key" if number % 2 or value is None else None, **options)
    with_client.flush()
    with_client.close()


def judge(spark, topic, output) -> recount.Recount:
    """The recount of what the checkpoint has committed, after every window on disk was found equal to it."""
    batches = recount.read_offset_log(output / "checkpoint")
    answer = recount.recount(topics.read(topic, end=batches[-1].ends), batches, 30_000, 5_000, 30_000)
    written = trends.largest_on_record(spark.read.parquet(str(output / "trends")))
    assert trends.to_dict(written.toPandas()) == dict(answer.windows)
    return answer


def start(spark, topic, output, **options):
    messages = consumer.read_topic(spark, topic, settings.bootstrap_servers, "earliest")
    return consumer.start(messages, output, **{"trigger": {"processingTime": "0 seconds"}, "topic": topic} | options)


def test_a_stream_is_counted_exactly_while_it_arrives(spark, topic, tmp_path, run_module):
    running = start(spark, topic, tmp_path / "out")
    for seed in range(4):  # in several micro-batches, so that there is a watermark for the late ones
        run_module("producer", "--topic", topic, "--count", 1000, "--rate", 0, "--seed", seed, *MISCHIEF)
        running.wait_for(topics.offsets(topic), seconds=60)
    totals = running.stop()
    assert totals == running.stop(), "stopping twice is safe"
    answer = judge(spark, topic, tmp_path / "out")
    assert totals == answer.totals()
    assert totals["received"] == 4000 and totals["duplicates"] == 80 and totals["malformed"] == 40
    assert totals["late"] >= 10, "from the second batch on, tweets of 10 minutes ago are late"
    aside = spark.read.parquet(str(tmp_path / "out" / "malformed")).collect()
    assert {(r.partition, r.offset) for r in aside} == {p for p, v in answer.verdicts.items() if v == "malformed"}
    assert not running.tally.ranking().empty


def test_hostile_messages_never_stop_the_query(spark, topic, tmp_path):
    values = [value for value in HOSTILE if value is None or len(value) < 900_000]
    values += [changed(id="long", text="#x " + "y" * 1_000_000), b"\xff" * 1_000_000]  # the most that a broker takes
    old = [
        changed(id=f"old{n}", created_at=f"{year}-01-01T00:00:00.000Z")
        for n, year in enumerate((1900, 1969, 1970, 1971))
    ]
    running = start(spark, topic, tmp_path / "out")
    for part in (values, old + values[::-1], values):
        send(topic, part, timestamp_ms=1767268800000)
        running.wait_for(topics.offsets(topic), seconds=60)
    assert running.active
    totals = running.stop()
    assert totals == judge(spark, topic, tmp_path / "out").totals()
    assert totals["received"] == 3 * len(values) + len(old) and totals["counted"] > 0


def test_tweets_before_1970_are_late_from_the_first_batch_on(spark, topic, tmp_path):
    send(topic, [changed(id=f"{n}", created_at=f"{y}-12-31T23:59:59.999Z") for n, y in enumerate((1500, 1969, 1970))])
    running = start(spark, topic, tmp_path / "out", trigger={"availableNow": True})
    assert running.finish(seconds=60)["late"] == 2
    judge(spark, topic, tmp_path / "out")


def test_started_twice_it_is_the_running_one(spark, topic, tmp_path):
    running = start(spark, topic, tmp_path / "out")
    assert start(spark, topic, tmp_path / "out") is running
    running.stop()
    again = start(spark, topic, tmp_path / "out")
    assert again is not running and again.active
    again.stop()


def test_killed_at_any_moment_it_goes_on_and_stays_right(spark, topic, tmp_path, run_module, spawn):
    """SIGTERM, SIGKILL, SIGKILL in the middle of the work, then to the end: the windows are exact."""
    output = tmp_path / "out"
    producer = start_producer(topic, rate=500, late=0.01, duplicates=0.02, malformed=0.01)
    moments = random.Random(5)
    last = 0
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        process = spawn("consumer", "--topic", topic, "--output", output, "--trigger", "0 seconds")
        wanted = last + moments.randint(2, 6)
        wait_until(lambda wanted=wanted: committed(output) >= wanted, seconds=90, every=0.01)
        jvm_and_all = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, number)  # to the whole group, as `timeout` and service managers do
        out, err = process.communicate(timeout=60)
        if number == signal.SIGTERM:
            assert process.returncode == 0, err
            totals = json.loads(out.splitlines()[-1])
            assert totals["received"] == totals["counted"] + totals["duplicates"] + totals["late"] + totals["malformed"]
        psutil.wait_procs(jvm_and_all, timeout=30)
        assert not [p for p in jvm_and_all if p.is_running() and p.status() != psutil.STATUS_ZOMBIE], "Spark ends too"
        last = committed(output)
    acked = producer.stop()["acked"]
    end = run_module("consumer", "--topic", topic, "--output", output, "--available-now")
    assert end.returncode == 0, end.stderr
    answer = judge(spark, topic, output)
    assert answer.totals()["received"] == acked
    assert answer.totals()["duplicates"] and answer.totals()["late"] and answer.totals()["malformed"]


def committed(output) -> int:
    folder = output / "checkpoint" / "commits"
    return sum(name.isdigit() for name in os.listdir(folder)) if folder.exists() else 0


def test_what_was_there_at_the_start_is_counted_and_then_it_ends(spark, topic, tmp_path, run_module):
    run_module("producer", "--topic", topic, "--count", 2000, "--rate", 0, *MISCHIEF)
    arguments = ["--topic", topic, "--output", tmp_path / "out", "--available-now", "--top", 3]
    run = run_module("consumer", *arguments)
    totals = json.loads(run.stdout.splitlines()[-1])
    assert totals == {"received": 2000, "counted": 1940, "duplicates": 40, "late": 0, "malformed": 20}
    assert "Trending topics" in run.stdout and "#" in run.stdout
    assert totals == judge(spark, topic, tmp_path / "out").totals()

    os.rename(tmp_path / "out" / "checkpoint", tmp_path / "elsewhere")
    refused = run_module("consumer", *arguments)
    assert refused.returncode == 1 and "holds the windows of an earlier run" in refused.stderr
    assert "Traceback" not in refused.stderr and "python -m lib.reset" in refused.stderr


def test_latest_begins_with_what_comes_next(spark, topic, tmp_path, run_module):
    run_module("producer", "--topic", topic, "--count", 300, "--rate", 0)
    messages = consumer.read_topic(spark, topic, settings.bootstrap_servers, "latest")
    running = consumer.start(messages, tmp_path / "out", trigger={"processingTime": "0 seconds"}, topic=topic)
    run_module("producer", "--topic", topic, "--count", 200, "--rate", 0, "--seed", 1)
    running.wait_for(topics.offsets(topic), seconds=60)
    assert running.stop()["received"] == 200


def test_what_does_not_belong_together_is_refused(spark, topic, tmp_path, run_module):
    run_module("producer", "--topic", topic, "--count", 500, "--rate", 0)
    now, output = {"trigger": {"availableNow": True}}, tmp_path / "out"
    start(spark, topic, output, **now).finish(60)
    with pytest.raises(QueryError, match="belongs to another query: it was begun with window '30 seconds' instead of"):
        start(spark, topic, output, window="20 seconds", **now)
    with pytest.raises(QueryError, match="Spark refused the query"):
        start(spark, topic, tmp_path / "new", trigger={"processingTime": "never"})
    for wrong in ({"slide": "1 hour"}, {"slide": "never"}, {"window": "1min"}, {"watermark": "-1 seconds"}, {"top": 0}):
        with pytest.raises(SettingError):
            start(spark, topic, tmp_path / "new", **wrong, **now)

    (tmp_path / "a-file").write_text("")
    os.rename(output / "trends", tmp_path / "trends")
    with pytest.raises(QueryError, match="has counted windows that are no longer in"):
        start(spark, topic, output, **now)
    os.rename(tmp_path / "trends", output / "trends")

    topics.delete(topic)
    topics.create(topic, partitions=2)
    with pytest.raises(QueryError, match="was deleted and made again"):
        start(spark, topic, output, **now)
    with pytest.raises(QueryError, match="cannot be written"):
        start(spark, topic, tmp_path / "a-file" / "out")


def test_expired_messages_are_said(spark, topic, tmp_path, run_module):
    run_module("producer", "--topic", topic, "--count", 500, "--rate", 0)
    start(spark, topic, tmp_path / "out", trigger={"availableNow": True}).finish(60)
    run_module("producer", "--topic", topic, "--count", 500, "--rate", 0, "--seed", 2)
    with topics.admin() as client:
        client.delete_records({TopicPartition(topic, p): end for p, end in topics.offsets(topic).items()})
    with pytest.raises(QueryError, match=r"500 messages of .* expired"):
        start(spark, topic, tmp_path / "out", trigger={"availableNow": True})


def test_two_consumers_on_one_checkpoint_and_a_reset(spark, topic, tmp_path, run_module):
    run_module("producer", "--topic", topic, "--count", 500, "--rate", 0)
    running = start(spark, topic, tmp_path / "out")
    second = run_module("consumer", "--topic", topic, "--output", tmp_path / "out", "--available-now")
    assert second.returncode == 1 and "another consumer is at work" in second.stderr
    assert "Traceback" not in second.stderr
    refused = run_module("reset", "--topic", topic, "--output", tmp_path / "out")
    assert refused.returncode == 1 and "a consumer is at work" in refused.stderr
    running.wait_for(topics.offsets(topic), seconds=60)
    running.stop()
    done = run_module("reset", "--topic", topic, "--output", tmp_path / "out").stdout
    assert f"topic {topic} with 500 messages" in done and "with its checkpoint" in done
    assert not (tmp_path / "out").exists() and topic not in topics.names()
    assert "nothing to remove" in run_module("reset", "--topic", topic, "--output", tmp_path / "out").stdout


def test_older_batches_are_merged_into_one(spark, topic, tmp_path, monkeypatch, run_module):
    monkeypatch.setattr(batches, "KEPT_APART", 3)
    running = start(spark, topic, tmp_path / "out")
    for seed in range(8):
        run_module("producer", "--topic", topic, "--count", 200, "--rate", 0, "--seed", seed, "--malformed", 0.1)
        running.wait_for(topics.offsets(topic), seconds=60)
    totals = running.stop()
    answer = judge(spark, topic, tmp_path / "out")
    assert totals == answer.totals()
    for kind in ("trends", "malformed"):
        assert len(list((tmp_path / "out" / kind).glob("batch=*"))) <= 5
    aside = spark.read.parquet(str(tmp_path / "out" / "malformed"))
    assert aside.count() == aside.dropDuplicates(["partition", "offset"]).count() == totals["malformed"] == 160


def test_the_status_says_what_to_do(spark, topic, tmp_path, run_module):
    running = start(spark, topic, tmp_path / "out")
    assert status.look(running).state in ("starting", "waiting")
    assert "Is a producer running?" in status.look(running).advice
    run_module("producer", "--topic", topic, "--count", 300, "--rate", 0)
    running.wait_for(topics.offsets(topic), seconds=60)
    now = status.look(running)
    assert (now.state, now.behind, now.advice) == ("running", 0, "") and now.state_rows > 0
    alone = status.look(replace(running, bootstrap_servers="localhost:1"))
    assert alone.state == "waiting" and "No broker answers at localhost:1" in alone.advice and "make up" in alone.advice
    elsewhere = status.look(replace(running, topic="no-such-topic"))
    assert elsewhere.state == "waiting" and "opic no-such-topic is not there" in elsewhere.advice
    topics.delete(topic)
    wait_until(lambda: not running.counting.isActive, seconds=90)
    failed = status.look(running)
    assert failed.state == "failed" and "streaming query failed" in failed.advice
    with pytest.raises(QueryError):
        running.stop()


def test_the_ranking_does_not_depend_on_the_time_zone(topic, tmp_path, run_module):
    """Spark's collect() gives local times: the ranking must be the same wherever the course is taken."""
    run_module("producer", "--topic", topic, "--count", 12_000, "--rate", 0, "--start", "2026-01-01T12:00:00Z")
    rankings = []
    for zone in ("Asia/Tokyo", "America/Lima"):
        output = tmp_path / f"out {zone[:4]} ñ"
        run = run_module("consumer", "--topic", topic, "--output", output, "--available-now", environment={"TZ": zone})
        assert run.returncode == 0, run.stderr
        rankings.append(json.loads((output / "latest.json").read_text())["ranking"])
    assert rankings[0] == rankings[1] and len(rankings[0]) == 10
    assert rankings[0][0]["window_end"].startswith("2026-01-01T12:00:")


def test_a_deadline_that_passes_says_how_far_behind(spark, topic, tmp_path):
    running = start(spark, topic, tmp_path / "out")
    with pytest.raises(QueryError, match="7 messages behind"):
        running.wait_for({0: 7}, seconds=0.2)
    with pytest.raises(QueryError, match="not at its end after"):
        running.finish(seconds=0.2)
    assert not running.active


def test_spark_listens_on_loopback_only(spark):
    listening = [
        connection.laddr.ip.removeprefix("::ffff:")
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 1 and set(listening) == {"127.0.0.1"}


def test_the_line_that_help_prints_for_spark_submit_works(spark, topic, tmp_path, run_module):
    run_module("producer", "--topic", topic, "--count", 3000, "--rate", 0, *MISCHIEF)
    line = run_module("consumer", "--help").stdout.strip().splitlines()[-1].strip()
    assert line.startswith("spark-submit --jars ")
    command = [*line.replace("DIR", str(tmp_path / "out")).split(), "--topic", topic, "--available-now"]
    here = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | here, timeout=300, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert judge(spark, topic, tmp_path / "out").totals()["received"] == 3000


def test_a_wrong_master_is_said(run_module):
    run = run_module("consumer", "--master", "nonsense", environment={"STREAM_ANSWER_SECONDS": "5"})
    assert run.returncode == 1 and "'nonsense' is not a Spark master" in run.stderr and "Traceback" not in run.stderr
