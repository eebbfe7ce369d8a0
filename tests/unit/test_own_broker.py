"""Broker of a lesson's own: its settings, and the wait for its leaders."""

import socket

from lib.course.own_broker import own_settings, wait_for_leader
from lib.errors import BrokerError
from lib.settings import Settings


def test_it_has_a_port_and_an_empty_folder_of_its_own(tmp_path):
    settings = Settings(build_dir=tmp_path, mode="docker")
    old = tmp_path / "lesson" / "runs" / "old.db"
    old.parent.mkdir(parents=True)
    old.touch()
    own = own_settings(settings, "lesson")
    assert own.mode == "embedded" and own.build_dir == tmp_path / "lesson" and not old.exists()
    assert own.port != settings.port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", own.port))


def test_it_waits_until_the_partitions_have_a_leader():
    asked = []

    class Starting:
        def offsets(self, topic):
            asked.append(topic)
            if len(asked) < 3:
                raise BrokerError("there is no leader", "wait")
            return {0: 0}

    wait_for_leader(Starting(), "t")
    assert asked == ["t"] * 3
