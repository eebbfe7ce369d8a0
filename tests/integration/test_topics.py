"""Topics of a broker, in Python and on the command line; and a Cluster whose broker restarts."""

import os
import shutil
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from lib import infra, tweets
from lib.errors import BrokerError, SettingError, TopicError
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import wait_until
from tests.conftest import gone


def connections(cluster: Cluster) -> int:
    """This process's TCP connections to the cluster's port."""
    port = int(cluster.address.rpartition(":")[2])
    return sum(bool(c.raddr) and c.raddr.port == port for c in psutil.Process().net_connections("tcp"))


def test_created_once_and_then_used_as_it_is(cluster, topic):
    assert cluster.create(topic) is False
    assert cluster.create(topic, partitions=2) is False
    with pytest.raises(TopicError) as differs:
        cluster.create(topic, partitions=3)
    assert differs.value.data == {"topic": topic, "partitions": 2}


def test_messages_can_be_listed_described_and_read_by_hand(cluster, topic, fill, run_main):
    fill(50)
    assert cluster.offsets(topic, "earliest") == {0: 0, 1: 0}
    assert sum(cluster.offsets(topic).values()) == 50
    assert "50 message(s)" in run_main("topics", "describe", topic).stdout
    lines = run_main("topics", "read", topic).stdout.splitlines()
    assert len(lines) == 50 and all(len(line.split("\t")) == 4 for line in lines)
    assert len(run_main("topics", "read", topic, "--max", 3).stdout.splitlines()) == 3
    assert topic in run_main("topics", "list").stdout.split()


def test_reading_a_range_gives_that_range(cluster, topic, fill):
    fill(500)
    end = cluster.offsets(topic)
    fill(500, "--seed", 9)
    first = list(cluster.read(topic, end=end))
    rest = list(cluster.read(topic, start=end))
    assert len(first) == len(rest) == 500
    assert {r.offset for r in first if r.partition == 0} == set(range(end[0]))
    assert list(cluster.read(topic, start=end, end=end)) == []


def test_created_and_deleted_by_command(cluster, run_main):
    assert "created" in run_main("topics", "create", "short-lived", "--partitions", 1).stdout
    assert "already exists" in run_main("topics", "create", "short-lived").stdout
    assert run_main("topics", "delete", "short-lived").returncode == 0
    assert "short-lived" not in cluster.names() and cluster.delete("short-lived") is False
    with pytest.raises(TopicError) as missing:
        cluster.offsets("short-lived")
    assert missing.value.data == {"topic": "short-lived"}


def test_a_recreated_topic_has_another_id(cluster, topic):
    first = cluster.topic_id(topic)
    assert cluster.topic_id(topic) == first
    cluster.delete(topic)
    cluster.create(topic)
    assert cluster.topic_id(topic) != first


def test_a_mistyped_topic_is_not_created(cluster, run_main):
    run = run_main("producer", "--topic", "mistyped", "--count", 1)
    assert run.returncode == 1 and isinstance(run.error, TopicError) and run.error.data["topic"] == "mistyped"
    assert "mistyped" not in cluster.names()


@pytest.mark.parametrize("command, option, value", [("read", "max", -1), ("create", "partitions", 0)])
def test_a_number_out_of_range_is_refused(run_main, command, option, value):
    run = run_main("topics", command, f"--{option}", value)
    assert run.returncode == 1 and isinstance(run.error, SettingError)
    assert run.error.data == {"option": option, "value": value}


def test_a_name_that_is_not_allowed(cluster):
    with pytest.raises(TopicError) as refused:
        cluster.create("with space")
    assert refused.value.data == {"topic": "with space"}


def test_a_value_that_the_broker_refuses_is_told(cluster, topic, run_main):
    before = cluster.configuration(topic, "retention.ms")
    run = run_main("topics", "alter", topic, "retention.ms=banana")
    assert type(run.error) is TopicError and run.error.data == {"name": "retention.ms", "value": "banana"}
    assert cluster.configuration(topic, "retention.ms") == before


@pytest.mark.parametrize("address", ["localhost:1", "no-such-host.invalid:9092"])
def test_a_missing_broker_is_reported(run_main, address):
    settings = {"STREAM_BOOTSTRAP_SERVERS": address, "STREAM_ANSWER_SECONDS": 0.5}
    run = run_main("topics", "list", environment=settings)
    assert run.returncode == 1 and isinstance(run.error, BrokerError) and run.error.data["address"] == address


def test_a_missing_broker_is_reported_within_ten_seconds_and_without_a_traceback(run_module):
    run = run_module("topics", "list", environment={"STREAM_BOOTSTRAP_SERVERS": "localhost:1"}, timeout=10)
    assert run.returncode == 1 and run.stderr.startswith("BrokerError: ") and len(run.stderr.splitlines()) == 2


def test_a_cluster_survives_restarts_of_its_broker(elsewhere):
    settings = Settings.from_environment(elsewhere)
    with Cluster(settings.bootstrap_servers, answer_seconds=2) as cluster:
        assert not cluster.answers() and cluster.advertised() == []
        for asked_while_it_is_down in (False, True):
            pid = infra.up(settings).pid
            cluster.create("kept", partitions=3)
            assert cluster.offsets("kept") == {0: 0, 1: 0, 2: 0}, "the client of before the restart, or a new one"
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: gone(pid), seconds=10)
            if asked_while_it_is_down:
                assert not cluster.answers()
                with pytest.raises(BrokerError) as caught:
                    cluster.names()
                assert caught.value.data["address"] == settings.bootstrap_servers
        infra.up(settings)
        assert cluster.names() == ["kept"] and cluster.answers()
        assert cluster.advertised() == [settings.bootstrap_servers]


def test_a_cluster_answers_four_threads_at_once(settings, cluster, topic):
    connected = connections(cluster)
    with Cluster(settings.bootstrap_servers) as shared, ThreadPoolExecutor(4) as pool:
        began = threading.Barrier(4)

        def ask(number: int) -> None:
            began.wait(timeout=10)
            for _ in range(10):
                assert shared.offsets(topic) == {0: 0, 1: 0} and topic in shared.names()
            assert shared.create(f"{topic}-{number}") and shared.delete(f"{topic}-{number}")

        list(pool.map(ask, range(4)))
    wait_until(lambda: connections(cluster) == connected, seconds=5)  # they shared one client, which is closed now


def test_no_question_leaks_a_connection_or_a_thread(settings, cluster, topic):
    connected, threads = connections(cluster), threading.active_count()
    opened = Cluster(settings.bootstrap_servers)
    opened.names()
    with_one_client = connections(opened)
    for _ in range(5):
        opened.offsets(topic), opened.answers(), opened.advertised(), list(opened.read(topic))
        with pytest.raises(TopicError):
            opened.offsets("missing")
        with pytest.raises(BrokerError):  # the client that failed is replaced by a new one
            opened.ask(lambda client: client.create_topics({"x": {"num_partitions": 1, "replication_factor": 9}}))
        opened.names()
    assert connections(opened) == with_one_client
    opened.close(), opened.close()
    wait_until(lambda: connections(cluster) == connected and threading.active_count() <= threads, seconds=5)
    assert topic in opened.names(), "a closed cluster opens its client again"
    opened.close()


def test_a_missing_broker_leaks_no_thread_or_file():
    nowhere = Cluster("localhost:1", answer_seconds=0.2)
    process, before = psutil.Process(), None
    for _ in range(4):
        with pytest.raises(BrokerError):
            nowhere.names()
        before = before or (process.num_fds(), threading.active_count())
    assert process.num_fds() <= before[0] and threading.active_count() <= before[1]


@pytest.mark.skipif(not shutil.which("kcat"), reason="kcat is not installed (Debian: apt install kcat)")
def test_kcat_reads_the_topic(settings, topic, fill):
    fill(200, "--start", "2026-01-01T12:00:00Z", "--seed", 7)
    command = ["kcat", "-b", settings.bootstrap_servers, "-t", topic, "-C", "-e", "-q", "-f", "%k %s\n"]
    read = subprocess.run(command, capture_output=True, timeout=30, check=True).stdout.splitlines()
    sent = [m.key + b" " + m.value for m in tweets.stream(200, seed=7, rate=0)]
    assert sorted(read) == sorted(sent)
