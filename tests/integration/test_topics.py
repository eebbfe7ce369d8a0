import shutil
import subprocess

import pytest

from lib import topics, tweets
from lib.errors import TopicError
from lib.settings import settings


def test_created_once_and_then_taken_as_it_is(topic):
    assert topics.create(topic) is False
    assert topics.create(topic, partitions=2) is False
    with pytest.raises(TopicError, match=r"with 2 partition\(s\) instead of 3"):
        topics.create(topic, partitions=3)


def test_what_is_sent_can_be_read_by_hand(topic, run_module):
    run_module("producer", "--topic", topic, "--count", 50, "--rate", 0)
    assert topics.offsets(topic, "earliest") == {0: 0, 1: 0}
    assert sum(topics.offsets(topic).values()) == 50
    assert "50 message(s)" in run_module("topics", "describe", topic).stdout
    lines = run_module("topics", "read", topic).stdout.splitlines()
    assert len(lines) == 50 and all(len(line.split("\t")) == 4 for line in lines)
    assert len(run_module("topics", "read", topic, "--max", 3).stdout.splitlines()) == 3
    assert topic in run_module("topics", "list").stdout.split()


def test_reading_a_range_gives_that_range(topic, run_module):
    run_module("producer", "--topic", topic, "--count", 500, "--rate", 0)
    end = topics.offsets(topic)
    run_module("producer", "--topic", topic, "--count", 500, "--rate", 0, "--seed", 9)
    first = list(topics.read(topic, end=end))
    rest = list(topics.read(topic, start=end))
    assert len(first) == len(rest) == 500
    assert {r.offset for r in first if r.partition == 0} == set(range(end[0]))
    assert list(topics.read(topic, start=end, end=end)) == []


def test_deleted_with_all_it_held(broker):
    topics.create("short-lived", partitions=1)
    assert topics.delete("short-lived") and not topics.delete("short-lived")
    with pytest.raises(TopicError, match="create it"):
        topics.offsets("short-lived")


def test_a_mistyped_topic_is_not_made(broker, run_module):
    run = run_module("producer", "--topic", "mistyped", "--count", 1)
    assert run.returncode == 1 and "topic mistyped is not there" in run.stderr
    assert "mistyped" not in topics.names()


@pytest.mark.parametrize("wrong", [["read", "--max", -1], ["create", "--partitions", 0]])
def test_a_number_out_of_range_is_said(run_module, wrong):
    run = run_module("topics", *wrong)
    assert run.returncode == 1 and "What to do" in run.stderr and "Traceback" not in run.stderr
    assert f"{wrong[1]} {wrong[2]} is below" in run.stderr


def test_a_name_that_cannot_be_one(broker):
    with pytest.raises(TopicError, match="cannot be a topic's name"):
        topics.create("with space")


@pytest.mark.parametrize("address", ["localhost:1", "no-such-host.invalid:9092"])
def test_no_broker_is_said_within_its_deadline(run_module, address):
    run = run_module("topics", "list", environment={"STREAM_BOOTSTRAP_SERVERS": address}, timeout=10)
    assert run.returncode == 1 and f"no broker answers at {address}" in run.stderr
    assert "make up" in run.stderr and "Traceback" not in run.stderr


@pytest.mark.skipif(not shutil.which("kcat"), reason="kcat is not installed (Debian: apt install kcat)")
def test_kcat_reads_the_topic(topic, run_module):
    start = "2026-01-01T12:00:00Z"
    run_module("producer", "--topic", topic, "--count", 200, "--rate", 0, "--start", start, "--seed", 7)
    command = ["kcat", "-b", settings.bootstrap_servers, "-t", topic, "-C", "-e", "-q", "-f", "%k %s\n"]
    read = subprocess.run(command, capture_output=True, timeout=30, check=True).stdout.splitlines()
    sent = [m.key + b" " + m.value for m in tweets.stream(200, seed=7, rate=0)]
    assert sorted(read) == sorted(sent)
