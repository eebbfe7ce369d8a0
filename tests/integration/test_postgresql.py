"""Consumer with a store in PostgreSQL: the server goes away and comes back, others read and want to write."""

import json
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from lib.consumer import store as store_module
from lib.consumer.status import status_of
from lib.consumer.store import Store
from lib.errors import BrokerError, QueryError, SettingError
from lib.producer import start_producer
from lib.reset import reset
from lib.topics import Cluster
from lib.wait import wait_until
from tests.integration.conftest import FLAGS, MISCHIEF, NOW

# Looks at a database by SQL alone, as a student would, until it has batch 19: each look must see whole batches.
LOOK = """
import sys, psycopg
newest, seen = "(SELECT max(batch) FROM batches)", {(0, True)}
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    while max(seen)[0] < 19:
        seen.add(connection.execute(f"SELECT {newest}, {newest} >= max(batch) FROM windows").fetchone())
assert {whole for _, whole in seen} == {True}, seen
print(len(seen))
"""


@pytest.fixture
def url(postgresql):
    """The store's URL. A test names it before `start`, so that its consumer ends before the database is dropped."""
    return postgresql.url("trends")


def test_several_processes_read_the_store_while_it_is_written(url, fill, start, judge):
    fill(2000, *FLAGS)
    running = start(at_most=100, trigger=NOW, store=url)
    wait_until(lambda: running.store.last_batch() is not None, seconds=60)
    plain = url.replace("+psycopg", "")
    command = [sys.executable, "-c", LOOK, plain]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for reader in readers:
        out, err = reader.communicate(timeout=240)
        assert reader.returncode == 0 and int(out) > 3, err
    assert running.finish(120)["received"] == 2000
    judge(url)


def test_a_second_consumer_is_refused_whatever_its_checkpoint(postgresql, topic, start, url, tmp_path, run_module):
    running = start(store=url)
    assert start(store=url) is running
    second = run_module("consumer", "--topic", topic, "--output", tmp_path / "another", "--store", url)
    assert second.returncode == 1 and "QueryError: another consumer uses postgresql+psycopg://" in second.stderr
    assert "Traceback" not in second.stderr and postgresql.password not in second.stderr + str(running.options)
    with pytest.raises(QueryError):
        reset(running.cluster, None, tmp_path / "out", url)
    assert running.active and (tmp_path / "out" / "checkpoint").exists()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_comes_back_is_waited_for(postgresql, cluster, topic, fill, start, judge, url, mode):
    running = start(store=url)
    fill(1000, *FLAGS)
    running.wait_for(cluster.offsets(topic), seconds=60)
    postgresql.stop(mode)
    try:
        fill(1000, "--seed", 1, *FLAGS)
        waiting = status_of(running)
        assert waiting.state == "waiting" and "tart the server" in waiting.advice and running.active
    finally:
        postgresql.start()
    running.wait_for(cluster.offsets(topic), seconds=60)
    assert status_of(running).state == "running"
    totals = running.stop()
    assert totals == judge(url).totals() and totals["received"] == 2000


def test_a_server_that_stays_away_ends_the_query_which_continues_later(
    postgresql, cluster, topic, fill, start, judge, url, monkeypatch
):
    monkeypatch.setattr(store_module, "OUTAGE_SECONDS", 1)
    running = start(store=url)
    fill(1000, *FLAGS)
    running.wait_for(cluster.offsets(topic), seconds=60)
    postgresql.stop()
    try:
        fill(1000, "--seed", 1, *FLAGS)
        with pytest.raises(QueryError) as told:
            running.wait_for(cluster.offsets(topic), seconds=60)
        assert told.value.data["database"] == str(running.store) and "start the server" in told.value.remedy
        assert postgresql.password not in f"{told.value} {told.value.data}"
        wait_until(lambda: not running.active, seconds=30)
        assert status_of(running).state == "failed"
        with pytest.raises(QueryError):
            running.stop()
    finally:
        postgresql.start()
    again = start(store=url)
    fill(1000, "--seed", 2, *FLAGS)
    again.wait_for(cluster.offsets(topic), seconds=60)
    again.stop()
    assert judge(url).totals()["received"] == 3000


def test_a_process_outlasts_three_crashes_of_the_server(postgresql, settings, topic, judge, url, tmp_path, spawn):
    producer = start_producer(settings, topic, rate=500, **MISCHIEF)
    process = spawn(
        "consumer", "--topic", topic, "--output", tmp_path / "out", "--store", url, "--trigger", "0 seconds"
    )
    with closing(Store(url)) as store:
        for _ in range(3):
            wait_until(store.exists, seconds=60)
            before = store.last_batch() or 0
            wait_until(lambda before=before: (store.last_batch() or 0) >= before + 2, seconds=90)
            postgresql.stop("immediate")
            postgresql.start()
        after = store.last_batch()
        wait_until(lambda: store.last_batch() > after, seconds=60)
    acked = producer.stop()["acked"]
    with closing(Store(url)) as store:
        wait_until(lambda: sum(store.batches(last=1)[0].ends.values()) == acked, seconds=60)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["received"] <= acked == judge(url).totals()["received"]
    logs = "".join(path.read_text() for path in (settings.build_dir / "logs").iterdir() if path.is_file())
    assert postgresql.password not in out + err + logs


def test_a_wrong_store_is_refused_before_spark_starts(postgresql, topic, run_main):
    for url, error in (
        (postgresql.url("trends", password="open-sesame"), QueryError),
        (postgresql.url("missing"), QueryError),
        ("mysql://root:open-sesame@localhost/trends", SettingError),
    ):
        run = run_main("consumer", "--topic", topic, "--store", url)
        assert run.returncode == 1 and type(run.error) is error and run.error.remedy
        assert "open-sesame" not in run.stderr and postgresql.password not in run.stderr


def test_a_store_and_a_checkpoint_that_do_not_belong_together_are_refused_until_a_reset(
    url, fill, start, topic, tmp_path, run_main
):
    fill(500)
    start(trigger=NOW, store=url).finish(60)
    for options in ({"output": tmp_path / "another"}, {"store": None}):
        with pytest.raises(QueryError) as refused:
            start(trigger=NOW, **({"store": url} | options))
        assert "python -m lib.reset" in refused.value.remedy
    with pytest.raises(BrokerError):
        reset(Cluster("localhost:1", 0.2), "any", tmp_path / "out", url)
    with closing(Store(url)) as store:
        assert store.exists()
        done = run_main("reset", "--topic", topic, "--keep-topic", "--output", tmp_path / "out", "--store", url)
        assert f"deleted: the tables of {store}" in done.stdout and not store.exists()
    assert not (tmp_path / "out").exists()
    assert start(trigger=NOW, store=url).finish(60)["received"] == 500
