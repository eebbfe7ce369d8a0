"""The producer against a broker: what arrives, how it ends, and as a background process of a notebook."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from lib import tweets
from lib.errors import ProducerError
from lib.producer import send, start_producer
from lib.producer.client import CLIENTS
from lib.wait import wait_until
from tests.conftest import gone
from tests.integration.conftest import by_key

TIMED_OUT = {"kafka-python": "KafkaTimeoutError", "confluent": "MSG_TIMED_OUT"}  # what each client says
RETRIED = {"kafka-python": "RequestTimedOutError", "confluent": "REQTMOUT"}
SOON = {"kafka-python": {"request_timeout_ms": 2000}, "confluent": {"socket_timeout_ms": 2000}}
both_clients = pytest.mark.parametrize("client", CLIENTS)


@pytest.fixture
def produce(topic, run_main):
    """Run `python -m lib.producer` on the test's topic and return its summary."""

    def run(*options) -> dict:
        done = run_main("producer", "--topic", topic, *options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def stored(cluster, topic) -> int:
    return sum(cluster.offsets(topic).values())


@both_clients
def test_the_topic_holds_the_tweets_in_order_for_each_user(cluster, topic, produce, client):
    flaws = {"late": 0.01, "duplicates": 0.02, "malformed": 0.01}
    options = [text for name, value in flaws.items() for text in (f"--{name}", value)] + ["--client", client]
    summary = produce("--count", 5000, "--rate", 0, "--seed", 7, "--start", "2026-01-01T12:00:00Z", *options)
    assert summary["sent"] == summary["acked"] == 5000
    assert summary.keys() == {"sent", "acked", "seconds", "per_second"}
    assert by_key(cluster.read(topic)) == by_key(tweets.stream(5000, seed=7, rate=0, **flaws))


def test_a_user_s_tweets_are_in_the_same_partition_whichever_client_sends(cluster, topic, produce):
    for client in CLIENTS:
        produce("--count", 2000, "--rate", 0, "--start", "2026-01-01T12:00:00Z", "--client", client)
    partitions = {(record.key, record.partition) for record in cluster.read(topic)}
    assert len(partitions) == len({key for key, _ in partitions}) > 100
    assert {partition for _, partition in partitions} == {0, 1}


def test_the_schedule_is_kept(produce):
    assert produce("--count", 100, "--rate", 100)["seconds"] >= 0.99, "message 100 is due after 0.99 s"


def test_a_duration_ends_it(produce):
    assert 0 < produce("--duration", 1, "--rate", 50)["acked"] <= 50
    assert produce("--duration", 1, "--rate", 0.05)["acked"] == 1, "before the next message is due"
    assert produce("--duration", 1, "--rate", 0)["acked"] > 100


@both_clients
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_makes_it_flush_and_print_its_summary(cluster, topic, spawn, number, client):
    process = spawn("producer", "--topic", topic, "--rate", 200, "--client", client)
    wait_until(lambda: stored(cluster, topic) > 20, seconds=20)
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    summary = json.loads(output.splitlines()[-1])
    assert process.returncode == 0
    assert summary["sent"] == summary["acked"] == stored(cluster, topic)


def test_in_the_background_it_is_started_once(cluster, settings, topic):
    with start_producer(settings, topic, rate=100) as producer:
        assert start_producer(settings, topic, rate=100) is producer, "a cell that is run again"
        with pytest.raises(ProducerError) as refused:
            start_producer(settings, topic, rate=999)
        assert refused.value.data == {"topic": topic, "running": {"rate": 100}, "asked": {"rate": 999}}
        assert producer.options == {"rate": 100} and producer.running and "running" in repr(producer)
        # Jupyter interrupts the kernel's process group, which must not reach the producer.
        assert os.getpgid(producer.process.pid) != os.getpgid(0)
        wait_until(lambda: producer.progress().get("per_second", 0) > 50, seconds=20)
        assert "per_second" in producer.log()
        with pytest.raises(ProducerError) as waited:
            producer.wait(seconds=0)
        assert waited.value.data == {"seconds": 0}
    assert not producer.running and "exit code 0" in repr(producer)
    summary = producer.stop()
    assert producer.close() == summary and summary["acked"] == summary["sent"] == stored(cluster, topic)

    another = start_producer(settings, topic, count=10, rate=0, client="confluent")
    assert another is not producer and another.wait(seconds=30)["acked"] == 10
    assert another.progress()["sent"] <= 10, "its log does not continue the one before"


@pytest.mark.parametrize("options, reported", [({"count": 10}, "TopicError"), ({"colour": "red"}, "--colour")])
def test_a_failure_is_reported_with_the_log(broker, settings, options, reported):
    """Also where Python or argparse wrote it to standard error, and not the producer to its log."""
    producer = start_producer(settings, "no-such-topic", **options)
    with pytest.raises(ProducerError) as failed:
        producer.wait(seconds=30)
    assert reported in failed.value.data["log"] and reported in producer.log()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_process_that_started_it(cluster, topic, number):
    code = (
        "from lib.producer import start_producer; from lib.settings import Settings; "
        f"print(start_producer(Settings.from_environment(), {topic!r}).process.pid, flush=True); input()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    wait_until(lambda: stored(cluster, topic) > 0, seconds=20)
    parent.send_signal(number)
    parent.communicate(timeout=10)
    wait_until(lambda: gone(child), seconds=10)


def test_the_log_is_bounded(produce, tmp_path, monkeypatch):
    monkeypatch.setattr("lib.producer.__main__.LOG_BYTES", 500)
    monkeypatch.setattr("lib.producer.delivery.REPORT_SECONDS", 0.02)
    produce("--count", 100, "--rate", 100, "--log", tmp_path / "p.log")
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept.keys() == {"p.log", "p.log.1"}
    assert all(len(text) <= 500 for text in kept.values()), "fifty lines would be more"
    assert json.loads(kept["p.log"].splitlines()[-1].split(" ", 1)[1])["sent"] > 50, "the newest lines are kept"


@both_clients
def test_a_broker_that_does_not_answer_is_a_failure_and_fills_no_memory(broker, settings, topic, monkeypatch, client):
    monkeypatch.setattr("lib.producer.delivery.UNACKNOWLEDGED", 1000)
    monkeypatch.setattr("lib.producer.client.FLUSH_SECONDS", 5)
    process = psutil.Process(broker.pid)
    before = set(threading.enumerate())

    def messages():
        for number, message in enumerate(tweets.stream(100_000)):
            if number == 500:
                process.suspend()
            yield message

    try:
        with pytest.raises(ProducerError) as failed:
            send(
                messages(), topic, settings.bootstrap_servers, 0, threading.Event(), client=client,
                request_timeout_ms=3000, delivery_timeout_ms=4000,
            )  # fmt: skip
        wait_until(lambda: set(threading.enumerate()) <= before, seconds=10)  # nothing still tries to send
    finally:
        process.resume()
    assert 1000 <= failed.value.data["sent"] < 2000 and failed.value.data["acked"] < 1000
    assert TIMED_OUT[client] in repr(failed.value.data["failure"])


@both_clients
def test_the_last_report_is_written_before_the_client_is_closed(settings, topic, monkeypatch, client):
    monkeypatch.setattr("lib.producer.delivery.REPORT_SECONDS", 0.01)
    monkeypatch.setattr("lib.producer.delivery.LOG.info", lambda _: time.sleep(0.3))  # a slow disk
    before = set(threading.enumerate())
    send(tweets.stream(100), topic, settings.bootstrap_servers, 0, threading.Event(), client=client)
    assert set(threading.enumerate()) <= before


@both_clients
def test_a_retry_stores_no_message_twice(broker, cluster, settings, topic, caplog, client):
    """A suspended broker answers too late: it gets the first attempt and the retry, and must store only one of them."""
    process = psutil.Process(broker.pid)

    def messages():
        for number, message in enumerate(tweets.stream(2000, rate=0)):
            if number == 1000:
                process.suspend()
                threading.Thread(target=resume).start()
            yield message

    def resume() -> None:
        try:
            wait_until(lambda: RETRIED[client] in caplog.text, seconds=20)
        finally:
            process.resume()

    options = SOON[client] | {"delivery_timeout_ms": 60_000}
    send(messages(), topic, settings.bootstrap_servers, 1000, threading.Event(), client=client, **options)
    assert by_key(cluster.read(topic)) == by_key(tweets.stream(2000, rate=0)), "each once, and in order"


def test_another_package_called_lib_is_not_imported(settings, topic, tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "producer.py").write_text("raise SystemExit('the wrong lib')")
    monkeypatch.chdir(tmp_path)
    assert start_producer(settings, topic, count=10, rate=0).wait(seconds=30)["acked"] == 10
