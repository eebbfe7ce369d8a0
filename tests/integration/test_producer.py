import json
import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict

import psutil
import pytest

from lib import producer, topics, tweets
from lib.errors import ProducerError
from lib.producer import RunningProducer, start_producer
from lib.settings import settings
from lib.wait import wait_until
from tests.conftest import gone

START = "2026-01-01T12:00:00Z"


def by_key(messages):
    grouped = defaultdict(list)
    for message in messages:
        grouped[message.key].append(message.value)
    return grouped


def test_the_topic_holds_what_was_invented_in_order_for_each_user(topic, run_module):
    mischief = ["--late", 0.01, "--duplicates", 0.02, "--malformed", 0.01]
    run = run_module(
        "producer", "--topic", topic, "--count", 5000, "--rate", 0, "--seed", 7, "--start", START, *mischief
    )
    summary = json.loads(run.stdout.splitlines()[-1])
    assert run.returncode == 0 and summary["sent"] == summary["acked"] == 5000
    assert summary.keys() == {"sent", "acked", "seconds", "per_second"}
    sent = by_key(tweets.stream(5000, seed=7, rate=0, late=0.01, duplicates=0.02, malformed=0.01))
    assert by_key(topics.read(topic)) == sent


def test_the_schedule_is_kept(topic, run_module):
    run = run_module("producer", "--topic", topic, "--count", 300, "--rate", 100)
    assert json.loads(run.stdout.splitlines()[-1])["seconds"] >= 2.99, "message 300 is due after 2.99 s"


def test_a_duration_ends_it(topic, run_module):
    run = run_module("producer", "--topic", topic, "--duration", 1, "--rate", 50, timeout=30)
    assert 0 < json.loads(run.stdout.splitlines()[-1])["acked"] <= 50


def test_a_duration_ends_it_also_before_the_next_message_is_due(topic, run_module):
    run = run_module("producer", "--topic", topic, "--duration", 1, "--rate", 0.05, timeout=15)
    assert json.loads(run.stdout.splitlines()[-1])["acked"] == 1


@pytest.mark.parametrize("duration", ["nan", "-1", "inf"])
def test_a_duration_that_is_none_is_said(run_module, duration):
    run = run_module("producer", f"--duration={duration}", timeout=15)
    assert run.returncode == 1 and "is no length" in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_flushes_and_sums_up(topic, spawn, number):
    process = spawn("producer", "--topic", topic, "--rate", 200)
    wait_until(lambda: sum(topics.offsets(topic).values()) > 20, seconds=20)
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    summary = json.loads(output.splitlines()[-1])
    assert process.returncode == 0
    assert summary["sent"] == summary["acked"] == sum(topics.offsets(topic).values())


def test_in_the_background_it_returns_at_once_and_is_started_once(topic):
    producer = start_producer(topic, rate=100)
    try:
        assert start_producer(topic, rate=999) is producer, "started twice, it is the running one"
        assert producer.running and "running" in repr(producer)
        wait_until(lambda: producer.rate() > 50, seconds=20)
        assert "per_second" in producer.log()
    finally:
        summary = producer.stop()
    assert summary["acked"] == sum(topics.offsets(topic).values()) and producer.stop() == summary
    another = start_producer(topic, count=10, rate=0)
    assert another is not producer and another.wait(seconds=30)["acked"] == 10


def test_a_failure_is_told_with_the_log(broker):
    running = start_producer("no-such-topic", count=10)
    with pytest.raises(ProducerError, match="topic no-such-topic is not there"):
        running.wait(seconds=30)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_process_that_started_it(topic, number):
    code = f"from lib.producer import start_producer; print(start_producer({topic!r}).process.pid, flush=True); input()"
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    wait_until(lambda: sum(topics.offsets(topic).values()) > 0, seconds=20)
    parent.send_signal(number)
    parent.wait(timeout=10)
    wait_until(lambda: gone(child), seconds=10)


def test_an_interrupt_of_the_kernel_does_not_reach_it(topic):
    producer = start_producer(topic, rate=100)
    try:
        assert os.getpgid(producer.process.pid) != os.getpgid(0), "Jupyter interrupts the kernel's process group"
    finally:
        producer.stop()


def test_its_log_is_bounded(topic):
    code = (
        "from lib import producer; producer.LOG_BYTES = 150; import sys; sys.argv[1:] = "
        f"['--topic', {topic!r}, '--rate', '100', '--until-stdin-closes']; producer.main()"
    )
    running = RunningProducer([sys.executable, "-c", code], settings.folder("logs") / "bounded.log", {})
    try:
        wait_until(lambda: running.progress().get("seconds", 0) > 5, seconds=30)
        assert running.log_file.stat().st_size < 250, "six lines would be more"
    finally:
        running.stop()


def test_a_broker_that_stands_still_is_a_failure_and_fills_no_memory(broker, topic, monkeypatch):
    monkeypatch.setattr(producer, "UNACKNOWLEDGED", 1000)
    quick = {"request_timeout_ms": 3000, "delivery_timeout_ms": 4000}
    monkeypatch.setattr(producer, "SAFETY", producer.SAFETY | quick)
    monkeypatch.setattr(producer, "FLUSH_SECONDS", 5)
    process = psutil.Process(broker.pid)

    def messages():
        for number, message in enumerate(tweets.stream(100_000)):
            if number == 500:
                process.suspend()
            yield message

    try:
        with pytest.raises(ProducerError, match=r"\d+ of 1\d\d\d messages were not acknowledged: .*[Tt]ime"):
            producer.send(messages(), topic, settings.bootstrap_servers, 0, threading.Event())
    finally:
        process.resume()


def test_another_package_called_lib_is_not_taken(topic, tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "producer.py").write_text("raise SystemExit('the wrong lib')")
    monkeypatch.chdir(tmp_path)
    assert start_producer(topic, count=10, rate=0).wait(seconds=30)["acked"] == 10


def test_options_out_of_range_are_said_before_anything_is_sent(run_module):
    run = run_module("producer", "--rate", -5)
    assert run.returncode == 1 and "--rate -5.0 is not a rate" in run.stderr and "Traceback" not in run.stderr
