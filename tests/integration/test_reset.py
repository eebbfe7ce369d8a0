"""Reset: what belongs together is deleted together, and nothing before all of it can be."""

import pytest

from lib.errors import BrokerError, QueryError
from lib.reset import reset
from lib.topics import Cluster
from tests.integration.conftest import NOW


def test_topic_database_and_checkpoint_go_together(cluster, topic, fill, start, tmp_path, run_main):
    fill(500)
    running = start(checkpoint=tmp_path / "elsewhere" / "checkpoint")
    with pytest.raises(QueryError) as refused:
        reset(cluster, topic, tmp_path / "out")
    assert refused.value.data == {"used": tmp_path / "out"} and topic in cluster.names()
    running.stop()
    done = run_main("reset", "--topic", topic, "--output", tmp_path / "out").stdout
    assert f"topic {topic} with 500 messages" in done and str(tmp_path / "elsewhere" / "checkpoint") in done
    assert not (tmp_path / "out").exists() and not (tmp_path / "elsewhere" / "checkpoint").exists()
    assert topic not in cluster.names()
    assert "nothing to delete" in run_main("reset", "--topic", topic, "--output", tmp_path / "out").stdout


def test_nothing_is_deleted_where_no_broker_answers(fill, start, tmp_path):
    fill(100)
    start(trigger=NOW).finish(60)
    with pytest.raises(BrokerError):
        reset(Cluster("localhost:1", 0.2), "any", tmp_path / "out")
    assert (tmp_path / "out" / "trends.db").exists()
    assert reset(Cluster("localhost:1", 0.2), None, tmp_path / "out"), "without a topic no broker is needed"
    assert not (tmp_path / "out").exists()


def test_a_database_that_is_broken_can_be_reset(cluster, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "trends.db").write_text("not a database")
    (deleted,) = reset(cluster, None, tmp_path / "out")
    assert str(tmp_path / "out") in deleted and not (tmp_path / "out").exists()


def test_a_topic_of_another_s_broker_needs_a_yes(cluster, topic, tmp_path, run_main, run_module):
    foreign = {"STREAM_BUILD_DIR": str(tmp_path)}  # nothing there says that this project has started the broker
    refused = run_module("reset", "--topic", topic, environment=foreign, input="")
    assert refused.returncode == 1 and "--yes" in refused.stderr and topic in cluster.names()
    assert run_main("reset", "--topic", topic, "--keep-topic", environment=foreign).returncode == 0
    assert topic in cluster.names()
    assert run_main("reset", "--topic", topic, "--yes", environment=foreign).returncode == 0
    assert topic not in cluster.names()
