"""A full disk and folders that cannot be written: a clear error, and nothing is lost."""

import json
import threading

import pytest

from lib import tweets
from lib.consumer.status import status_of
from lib.errors import ProducerError, QueryError
from lib.producer import client
from tests import runbook
from tests.conftest import free_port


def fill_up(folder):
    """A file that takes all the space that is left."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    return filler


def test_a_consumer_whose_disk_is_full_continues_when_there_is_space(cluster, topic, fill, start, judge, small_disk):
    running = start(small_disk)
    fill(500)
    running.wait_for(cluster.offsets(topic), seconds=60)
    filler = fill_up(small_disk)
    fill(500, "--seed", 1)
    with pytest.raises(QueryError) as full:
        running.wait_for(cluster.offsets(topic), seconds=60)
    assert full.value.data["cause"] in ("No space left on device", "database or disk is full")
    assert runbook.says("disk", status_of(running))
    with pytest.raises(QueryError):
        running.stop()
    filler.unlink()
    again = start(small_disk)
    again.wait_for(cluster.offsets(topic), seconds=60)
    again.stop()
    assert judge(small_disk / "trends.db").totals()["counted"] == 1000


def test_a_broker_whose_disk_is_full_keeps_what_it_has_acknowledged(small_disk, run_main, monkeypatch):
    address = f"localhost:{free_port()}"
    mine = {"STREAM_BUILD_DIR": str(small_disk), "STREAM_BOOTSTRAP_SERVERS": address}
    filler = fill_up(small_disk)
    refused = run_main("infra", "up", environment=mine)
    assert refused.returncode == 1 and refused.error.data["reason"] == "No space left on device"
    filler.unlink()
    assert run_main("infra", "up", environment=mine).returncode == 0
    try:
        assert run_main("topics", "create", "full", environment=mine).returncode == 0
        first = run_main("producer", "--topic", "full", "--count", 1000, "--rate", 0, environment=mine)
        assert first.returncode == 0, first.stderr
        filler = fill_up(small_disk)
        monkeypatch.setattr(client, "FLUSH_SECONDS", 5)
        impatient = {"request_timeout_ms": 3000, "delivery_timeout_ms": 4000}
        with pytest.raises(ProducerError) as lost:
            client.send(tweets.stream(200_000, seed=2), "full", address, 0, threading.Event(), **impatient)
        assert lost.value.data["acked"] < lost.value.data["sent"]
        filler.unlink()
        again = run_main("infra", "up", environment=mine)
        assert again.returncode == 0, again.stderr
        kept = run_main("topics", "read", "full", "--max", 1000, environment=mine).stdout.splitlines()
        assert len(kept) == len({json.loads(line.split("\t")[3])["id"] for line in kept}) == 1000
    finally:
        run_main("infra", "down", environment=mine)


@pytest.mark.parametrize(
    "command",
    [("infra", "up"), ("consumer", "--available-now"), ("course.main_job",), ("course.series", "00_master")],
    ids=" ".join,
)
def test_a_build_folder_that_cannot_be_written_is_told(broker, topic, tmp_path, command, run_module):
    (tmp_path / "a-file").write_text("")
    name, *options = command
    if name == "consumer":
        options += ["--topic", topic]
    run = run_module(name, *options, environment={"STREAM_BUILD_DIR": str(tmp_path / "a-file" / "build")})
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert (
        "cannot be written: Not a directory" in run.stderr + run.stdout
        and "STREAM_BUILD_DIR" in run.stderr + run.stdout
    )
