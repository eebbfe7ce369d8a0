"""Three embedded brokers and their controller: killed, paused and restarted while tweets are sent, nothing is lost."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice

import psutil
import pytest
from kafka import KafkaProducer
from kafka.errors import NotEnoughReplicasError

from lib import infra, tweets
from lib.consumer.store import Store
from lib.errors import BrokerError, QueryError, TopicError
from lib.infra import embedded
from lib.infra.replicated import CONTROLLER, Replicated
from lib.infra.state import State
from lib.producer.client import send
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import wait_until
from tests.conftest import free_port, gone
from tests.integration.conftest import by_key
from tests.judge import judge

RATE = 300  # tweets per second


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The settings of three brokers, which run; a killed one is missed after 3 s instead of 9."""
    plain, sooner = embedded.common_properties, {"broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500}
    settings = Settings(f"localhost:{free_port()}", build_dir=tmp_path_factory.mktemp("three"), brokers=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "common_properties", lambda settings: plain(settings) | sooner)
        try:
            broker = infra.up(settings)
            assert broker.started
            yield replace(settings, bootstrap_servers=broker.bootstrap_servers)
        finally:
            infra.down(settings)


@pytest.fixture(scope="module")
def three(own):
    with Cluster(own.bootstrap_servers) as opened:
        yield opened


def kill(own: Settings, number: int) -> None:
    pid = State(own).read().pid_of(number)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gone(pid), seconds=10)


def wait_for_replicas(three: Cluster, topic: str, test, seconds: float = 60) -> None:
    """Wait until `test` holds for each partition of the topic. A broker that has just been killed may be asked."""

    def holds() -> bool:
        with suppress(BrokerError, TopicError):
            return all(test(each) for each in three.partitions() if each.topic == topic)
        return False

    wait_until(holds, seconds, every=0.2)


def wait_for_tweets(three: Cluster, topic: str, more: int = 100) -> None:
    """Wait until each partition has that many messages more than now, or than once its leader answers."""

    def ends() -> dict[int, int]:
        with suppress(BrokerError, TopicError):
            return three.offsets(topic)
        return {}

    before = wait_until(ends, seconds=60, every=0.2)
    wait_until(lambda: all(end >= before[each] + more for each, end in ends().items() or [(0, -1)]), 60, every=0.2)


@contextmanager
def flow(three: Cluster, topic: str) -> Iterator[None]:
    """Send tweets during the `with` block. At its end all of them must be stored: once, and each user's in order."""
    three.create(topic, partitions=3)
    stop = threading.Event()
    with ThreadPoolExecutor() as pool:
        messages = tweets.stream(1_000_000, rate=RATE)
        sending = pool.submit(send, messages, topic, three.address, RATE, stop, request_timeout_ms=5000)
        try:
            wait_for_tweets(three, topic)
            yield
        finally:
            stop.set()
        delivery = sending.result(timeout=120)
    # A broker that was paused answers as the leader that it was, until it has heard of its successor.
    wait_until(lambda: sum(three.offsets(topic).values()) >= delivery["acked"], seconds=60, every=0.2)
    stored = list(three.read(topic))
    assert delivery["acked"] == delivery["sent"] == len(stored)
    assert by_key(stored) == by_key(islice(tweets.stream(1_000_000, rate=RATE), delivery["sent"]))


def test_all_run_on_loopback_and_each_partition_has_three_replicas(own, three, run_main):
    nodes = State(own).read().nodes
    assert len(nodes) == 4 and own.bootstrap_servers == ",".join(f"localhost:{node.port}" for node in nodes[1:])
    for node in nodes:
        sockets = psutil.Process(node.pid).net_connections("tcp")
        assert [(c.laddr.ip.removeprefix("::ffff:"), c.laddr.port) for c in sockets if c.status == "LISTEN"] == [
            ("127.0.0.1", node.port)
        ]
    environment = {"STREAM_BUILD_DIR": own.build_dir, "STREAM_BOOTSTRAP_SERVERS": own.bootstrap_servers.split(",")[0]}
    assert run_main("topics", "create", "shown", environment=environment).returncode == 0
    again = run_main("infra", "up", environment=environment)
    assert (
        again.returncode == 0 and f"STREAM_BROKERS=3 STREAM_BOOTSTRAP_SERVERS={own.bootstrap_servers}" in again.stdout
    )
    status = run_main("infra", "status", environment=environment)
    assert status.returncode == 0 and status.stdout.count(", in sync 1,2,3\n") == own.partitions, status.stdout
    other = run_main("infra", "up", "--brokers", 2, environment=environment)
    assert type(other.error) is BrokerError and other.error.data["address"] == own.bootstrap_servers


def test_the_replication_factor_can_be_chosen(three, own, run_main):
    environment = {"STREAM_BOOTSTRAP_SERVERS": own.bootstrap_servers}
    assert run_main("topics", "create", "two", "--replication-factor", 2, environment=environment).returncode == 0
    assert {len(each.replicas) for each in three.partitions() if each.topic == "two"} == {2}
    for topic, factor, data in (("two", 3, {"replicas": 2}), ("four", 4, {"replication_factor": 4})):
        refused = run_main("topics", "create", topic, "--replication-factor", factor, environment=environment)
        assert type(refused.error) is TopicError and refused.error.data == {"topic": topic} | data


def test_one_is_killed_and_then_a_second_and_no_acknowledged_tweet_is_lost(
    own, three, spawn, run_main, tmp_path, question
):
    output, options = tmp_path / "out", ["--bootstrap-servers", own.bootstrap_servers, "--trigger", "0 seconds"]

    def batches() -> list:
        assert consumer.poll() is None, consumer.communicate()
        with suppress(QueryError):  # its tables are being made
            return Store(output / "trends.db").batches() if (output / "trends.db").exists() else []
        return []

    with flow(three, "killed"):
        consumer = spawn("consumer", "--topic", "killed", "--output", output, *options)
        wait_until(batches, seconds=120, every=0.5)
        kill(own, 1)  # the first address of the list
        wait_for_replicas(three, "killed", lambda each: each.leader and 1 not in each.in_sync)
        wait_for_tweets(three, "killed")
        only_first = {"STREAM_BUILD_DIR": own.build_dir, "STREAM_BOOTSTRAP_SERVERS": three.address.split(",")[0]}
        status = run_main("infra", "status", environment=only_first)
        assert status.returncode == 1 and "broker 1: not running, broker 2: process" in status.stdout

        kill(own, 2)
        wait_for_replicas(three, "killed", lambda each: each.in_sync == [3])
        once = {"acks": "all", "enable_idempotence": False, "retries": 0}
        with pytest.raises(NotEnoughReplicasError), KafkaProducer(bootstrap_servers=three.address, **once) as producer:
            producer.send("killed", b"refused").get(timeout=30)

        assert infra.up(own).started, "those that are missing"
        wait_for_replicas(three, "killed", lambda each: each.in_sync == [1, 2, 3])
        wait_for_tweets(three, "killed")
    wait_until(lambda: batches()[-1].ends == three.offsets("killed"), seconds=120, every=0.5)
    consumer.send_signal(signal.SIGTERM)
    _, err = consumer.communicate(timeout=60)
    assert consumer.returncode == 0, err
    assert judge(three, "killed", question, output / "trends.db").totals()["received"] == sum(
        three.offsets("killed").values()
    )


def test_a_leader_that_is_paused_is_replaced(own, three):
    with flow(three, "paused"):
        leader = next(each.leader for each in three.partitions() if each.topic == "paused")
        os.kill(State(own).read().pid_of(leader), signal.SIGSTOP)
        try:
            others = Cluster(",".join(f"localhost:{n.port}" for n in State(own).read().nodes[1:] if n.number != leader))
            wait_for_replicas(others, "paused", lambda each: each.leader and each.leader != leader)
            wait_for_tweets(others, "paused")
            assert not Replicated(own, others, State(own).read()).knows_all(others), "two brokers are not ready"
            others.close()
        finally:
            os.kill(State(own).read().pid_of(leader), signal.SIGCONT)
        wait_for_replicas(three, "paused", lambda each: each.in_sync == [1, 2, 3])


def test_a_broker_that_has_ended_is_not_the_only_one_asked(own):
    controller = State(own).read().pid_of(CONTROLLER)
    os.kill(controller, signal.SIGSTOP)  # now nobody takes the ended broker out of the metadata
    try:
        kill(own, 3)
        for _ in range(20):  # each connection asks any of the three brokers that the metadata names
            with Cluster(own.bootstrap_servers) as cluster:
                cluster.names()  # no BrokerError
    finally:
        os.kill(controller, signal.SIGCONT)
    assert infra.up(own).started


def test_all_are_restarted_one_after_the_other(own, three):
    with flow(three, "rolling"):
        for number in (1, 2, 3):
            process = psutil.Process(State(own).read().pid_of(number))
            process.terminate()
            wait_until(lambda process=process: gone(process.pid), seconds=30)
            assert infra.up(own).started
            wait_for_replicas(three, "rolling", lambda each: each.in_sync == [1, 2, 3])
        wait_for_tweets(three, "rolling")


def test_down_ends_all_and_keeps_the_data(own):
    """The last test of the file."""
    nodes = State(own).read().nodes
    assert "3 brokers" in infra.down(own)
    assert all(gone(node.pid) for node in nodes) and State(own).read() is None
    data = sorted(path.parent.name for path in (own.build_dir / "broker").glob("*/data"))
    assert data == ["broker-1", "broker-2", "broker-3", "controller"]
    infra.down(own, volumes=True)
    assert not list((own.build_dir / "broker").glob("*/data"))
