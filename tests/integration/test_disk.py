"""A full disk and folders that cannot be written: said in words, and nothing is lost."""

import json
import threading

import pytest

from lib import producer, topics, tweets
from lib.errors import ProducerError, QueryError
from tests.conftest import free_port
from tests.integration.test_consumer import judge, start


def fill(folder):
    """A file that takes all the space that is left."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    return filler


def test_a_consumer_whose_disk_is_full_says_so_and_goes_on_when_there_is_space(spark, topic, small_disk, run_module):
    running = start(spark, topic, small_disk)
    run_module("producer", "--topic", topic, "--count", 500, "--rate", 0)
    running.wait_for(topics.offsets(topic), seconds=60)
    filler = fill(small_disk)
    run_module("producer", "--topic", topic, "--count", 500, "--rate", 0, "--seed", 1)
    with pytest.raises(QueryError, match="the disk is full: free some space; started again, it goes on where it was"):
        running.wait_for(topics.offsets(topic), seconds=60)
    with pytest.raises(QueryError, match="the disk is full"):
        running.stop()
    filler.unlink()
    again = start(spark, topic, small_disk)
    again.wait_for(topics.offsets(topic), seconds=60)
    again.stop()
    assert judge(spark, topic, small_disk).totals()["counted"] == 1000


def test_a_broker_whose_disk_is_full_keeps_what_it_has_acknowledged(small_disk, run_module, monkeypatch):
    address = f"localhost:{free_port()}"
    mine = {"STREAM_BUILD_DIR": str(small_disk), "STREAM_BOOTSTRAP_SERVERS": address}
    filler = fill(small_disk)
    refused = run_module("infra", "up", environment=mine)
    assert refused.returncode == 1 and "No space left" in refused.stderr and "Traceback" not in refused.stderr
    filler.unlink()
    assert run_module("infra", "up", environment=mine).returncode == 0
    try:
        assert run_module("topics", "create", "full", environment=mine).returncode == 0
        first = run_module("producer", "--topic", "full", "--count", 1000, "--rate", 0, environment=mine)
        assert first.returncode == 0, first.stderr
        filler = fill(small_disk)
        impatient = {"request_timeout_ms": 3000, "delivery_timeout_ms": 4000}
        monkeypatch.setattr(producer, "SAFETY", producer.SAFETY | impatient)
        monkeypatch.setattr(producer, "FLUSH_SECONDS", 5)
        with pytest.raises(ProducerError, match="messages were not acknowledged"):
            producer.send(tweets.stream(200_000, seed=2), "full", address, 0, threading.Event())
        filler.unlink()
        again = run_module("infra", "up", environment=mine)
        assert again.returncode == 0, again.stderr
        kept = run_module("topics", "read", "full", "--max", 1000, environment=mine).stdout.splitlines()
        assert len(kept) == len({json.loads(line.split("\t")[3])["id"] for line in kept}) == 1000
    finally:
        run_module("infra", "down", environment=mine)


@pytest.mark.parametrize(
    "command",
    [("infra", "up"), ("consumer", "--available-now"), ("course.main_job",), ("course.series", "00_master")],
    ids=" ".join,
)
def test_a_build_folder_that_cannot_be_written_is_said(broker, topic, tmp_path, command, run_module):
    (tmp_path / "a-file").write_text("")
    run = run_module(*command, environment={"STREAM_BUILD_DIR": str(tmp_path / "a-file" / "build")})
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "cannot be written: Not a directory" in run.stderr + run.stdout
    assert "set STREAM_BUILD_DIR to a folder that can" in run.stderr + run.stdout
