"""A broker that advertises a wrong address: its clients are told that address, and it ends with its `with` block."""

import os

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from lib.infra.modes import advertising
from lib.infra.state import State
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import wait_until
from tests.conftest import free_port, gone


def test_a_wrong_advertised_address_is_told_and_cannot_be_used(elsewhere):
    own, nowhere = Settings.from_environment(os.environ | elsewhere), f"localhost:{free_port()}"
    with pytest.raises(KafkaTimeoutError), advertising(own, nowhere):
        pid = State(own).read().pid
        with Cluster(own.bootstrap_servers) as cluster:
            assert wait_until(cluster.advertised, seconds=60) == [nowhere]
            assert cluster.port_is_open() and not cluster.answers()
        options = {"delivery_timeout_ms": 2000, "request_timeout_ms": 1000, "max_block_ms": 2000}
        with KafkaProducer(bootstrap_servers=own.bootstrap_servers, **options) as producer:
            producer.send("any", b"x").get(timeout=10)
    assert gone(pid) and State(own).read() is None


def test_the_right_address_can_be_used(elsewhere):
    own = Settings.from_environment(os.environ | elsewhere)
    with advertising(own, own.bootstrap_servers), Cluster(own.bootstrap_servers) as cluster:
        assert wait_until(cluster.answers, seconds=60)
        assert cluster.create("kept")
    assert not cluster.answers()
