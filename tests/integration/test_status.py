"""The status of a consumer tells the truth, and what to do."""

import time
from dataclasses import replace

import pytest

from lib.consumer.checkpoint import first_offsets
from lib.consumer.status import status_of
from lib.errors import QueryError
from lib.topics import Cluster
from lib.wait import wait_until
from tests import runbook
from tests.integration.conftest import NOW


def test_without_messages_it_asks_for_a_producer(start):
    running = start()
    wait_until(lambda: first_offsets(running.checkpoint), seconds=30)
    found = status_of(running)
    assert (found.state, found.lag) == ("waiting", 0) and "Is a producer running?" in found.advice


def test_messages_that_wait_for_the_first_batch_are_a_lag(cluster, topic, fill, start, monkeypatch):
    fill(500)
    sent = time.time()
    running = start()
    monkeypatch.setattr(running.progress, "onQueryProgress", lambda event: None)  # the first batch never ends
    running.progress.offsets, running.progress.recent = {}, ()
    wait_until(lambda: first_offsets(running.checkpoint), seconds=30)
    found = status_of(running)
    assert (found.state, found.lag) == ("starting", 500)
    assert time.time() - sent - 1 < found.lag_seconds < time.time() - sent + 10


def test_the_lag_in_seconds_is_the_age_of_the_oldest_message_that_waits(cluster, topic, fill, start):
    running = start()
    fill(100)
    running.wait_for(cluster.offsets(topic), seconds=60)
    found = status_of(running)
    assert (found.state, found.lag, found.lag_seconds, found.advice) == ("running", 0, 0, "")
    assert found.batch.state_rows > 0
    counted = dict(running.progress.offsets)
    fill(50, "--seed", 1)
    sent = time.time()
    wait_until(lambda: time.time() > sent + 1, seconds=5)
    fill(50, "--seed", 2)
    running.progress.offsets = counted
    found = status_of(running)
    assert found.lag == 100 and 1 <= found.lag_seconds < 10, "of the first of them, not of the last"


def test_an_empty_batch_and_an_idle_hour(cluster, topic, fill, start):
    running = start()
    fill(100)
    running.wait_for(cluster.offsets(topic), seconds=60)
    running.progress.recent = (replace(running.progress.last, ended=time.time() - 3600),)
    idle = status_of(running)
    assert (idle.state, idle.lag, idle.lag_seconds) == ("waiting", 0, 0) and idle.batch.age >= 3600
    assert str(idle).endswith("no lag")


def test_after_a_restart_without_new_messages(fill, start):
    fill(100)
    start(trigger=NOW).finish(60)
    again = start()
    found = status_of(again)
    assert (found.state, found.lag) == ("waiting", 0) and again.store.totals()["received"] == 100


def test_no_broker_and_no_topic(topic, fill, start, cluster):
    running = start()
    fill(300)
    running.wait_for(cluster.offsets(topic), seconds=60)
    running.cluster = Cluster("localhost:1", 0.5)
    alone = status_of(running)
    assert alone.state == "waiting" and "No broker answers at localhost:1" in alone.advice and "make up" in alone.advice
    running.cluster, running.topic = Cluster(cluster.address, 0.5), "no-such-topic"
    elsewhere = status_of(running)
    assert elsewhere.state == "waiting" and "Topic no-such-topic does not exist" in elsewhere.advice
    running.topic = topic
    cluster.delete(topic)
    wait_until(lambda: not running.counting.isActive, seconds=90)
    failed = status_of(running)
    assert failed.state == "failed" and runbook.says("failure", failed)
    with pytest.raises(QueryError):
        running.stop()


def test_a_broker_that_answers_while_it_still_loads_is_waited_for(cluster, topic, monkeypatch):
    """As right after `docker compose start`: the broker answers, and does not know its topics yet."""
    answers = iter([False, False, True])
    known = Cluster(cluster.address)
    ask = known.ask
    monkeypatch.setattr(known, "ask", lambda question: {} if not next(answers, True) else ask(question))
    known.wait_for_topic(topic)
    assert next(answers, None) is None
    known.close()
