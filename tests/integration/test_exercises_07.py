"""Lesson 07: its groups, its measurements, its three brokers, and the exercise that forms a group."""

import time

import psutil
import pytest
from kafka import KafkaProducer

from lib.course.exercises import lesson_07
from lib.course.group import Group, rates
from lib.course.live_chart import Samples
from lib.course.members import committed, settled
from lib.course.three_brokers import ThreeBrokers
from lib.errors import BrokerError
from lib.settings import Settings
from lib.wait import wait_until

RIGHT = {"ana": [0, 1], "ben": [2, 3], "carla": [4]}


@pytest.mark.parametrize(
    "prediction, idle, hint",
    [
        ({"ana": [0, 1, 2], "ben": [3], "carla": [4]}, 2, "as equal as possible"),
        ({"ana": [0, 3], "ben": [1, 4], "carla": [2]}, 2, "who has which?"),
        (RIGHT, 3, "fewer than 3 are idle"),
        (RIGHT, 0, "more than 0 are idle"),
        (RIGHT, 2, "Correct."),
    ],
)
def test_a_prediction_is_judged_by_the_group_that_is_formed(cluster, prediction, idle, hint):
    assert hint in lesson_07.assignment(prediction, idle, 5, cluster).text
    assert "lesson_07_exercise_5" not in cluster.names()


def test_what_a_group_has_processed_is_what_it_has_committed(cluster, topic, send):
    send([b"%d" % n for n in range(300)])
    with Group(cluster.address, topic, topic, seconds_per_message=0.002) as group:
        group.join("ana", "ben")
        assert settled(cluster, topic, topic, group.members) == {"ana": [0], "ben": [1]}
        wait_until(lambda: group.processed.total() >= 100, seconds=30)
        group.leave("ana")
        wait_until(lambda: group.processed.total() == 300, seconds=30)
        assert rates([group], [{"ben": []}], 0.1) == [0], "it waits only for members that have partitions"
    assert committed(cluster, topic, topic) == cluster.offsets(topic)


def test_a_rate_is_measured_only_once_each_member_with_partitions_works(cluster, topic, send):
    """The first message takes 2 s, so that a measurement that began at once would see none."""
    send([b"%d" % n for n in range(100)])
    with Group(cluster.address, topic, topic, seconds_per_message=2) as group:
        group.join("ana")
        shares = settled(cluster, topic, topic, group.members)
        rates([group], [shares], 0)
        assert group.processed["ana"] >= 1


def test_a_message_in_work_is_not_committed_when_its_member_leaves(cluster, topic, send):
    send([b"x"])
    with Group(cluster.address, topic, topic, seconds_per_message=60) as group:
        group.join("ana")
        settled(cluster, topic, topic, {"ana"})
        group.leave("ana")
    assert not committed(cluster, topic, topic) and not group.processed


def test_samples_are_read_until_a_condition_holds():
    count = iter(range(100))
    samples = Samples({"number": lambda: next(count), "rows": lambda: len(samples.rows)}, every_seconds=0)
    samples.take(until=lambda: samples.last["number"] == 3, seconds=10)
    assert samples.table["number"].to_list() == [0, 1, 2, 3] and samples.table["rows"].to_list() == [0, 1, 2, 3]
    assert samples.table.index.is_monotonic_increasing and samples.table.index[-1] <= samples.now
    with pytest.raises(TimeoutError):
        samples.take(until=lambda: False, seconds=0)


def test_the_gap_of_a_classic_group_is_that_of_its_slow_member(cluster, topic, settings):
    """A member joins when it has just begun 6 s of work, and all have to wait for it. No speed is asserted."""
    from confluent_kafka import Consumer

    from lib.course.rebalance import longest_gaps
    from lib.producer import start_producer

    cluster.delete(topic)
    cluster.create(topic, partitions=4)
    protocols = {"classic": {"group.protocol": "classic", "heartbeat.interval.ms": 500}}
    protocols["consumer"] = {"group.protocol": "consumer"}
    with start_producer(settings, topic, rate=200):
        gaps = longest_gaps(Consumer, cluster, topic, protocols, slow_seconds=6)
    assert gaps["classic"]["while a member joins"] > max(1000, gaps["classic"]["before"])
    assert all(gap > 0 for gap in gaps["consumer"].values())


def test_three_brokers_are_killed_stopped_suspended_and_started_again(settings, tmp_path):
    own = ThreeBrokers(Settings(settings.bootstrap_servers, build_dir=tmp_path), "three")
    own.up()
    try:
        pids = [own.process(number).pid for number in (1, 2, 3)]
        own.cluster.create("own", partitions=3)
        assert all(each.in_sync == [1, 2, 3] for each in own.partitions("own"))
        with own.suspended({2}):
            assert own.process(2).status() == psutil.STATUS_STOPPED
        wait_until(lambda: own.process(2).status() != psutil.STATUS_STOPPED, seconds=30)
        own.kill(1)
        assert len(own.kills) == 1 and own.kills[0] <= time.time() * 1000
        with pytest.raises(BrokerError):
            own.kill(1)
        own.wait(lambda each: each.leader and 1 not in each.in_sync, "own")
        own.stop(2)
        own.wait(lambda each: each.in_sync == [3], "own")
        own.up()
        assert all(each.in_sync == [1, 2, 3] for each in own.partitions("own"))
        with KafkaProducer(bootstrap_servers=own.settings.bootstrap_servers, acks="all") as producer:
            producer.send("own", b"x").get(timeout=30)
        assert own.process(3).pid == pids[2] and own.process(1).pid != pids[0]
    finally:
        own.down()
    assert not any(map(psutil.pid_exists, pids)) and not list((tmp_path / "three").glob("**/data"))
    own.down()
