"""Broker of a lesson's own, which the lesson may kill: with a free port, and with a new folder in the build folder."""

import atexit
import shutil
from contextlib import suppress
from dataclasses import replace

from lib import infra
from lib.errors import BrokerError
from lib.infra.ports import free_port
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import wait_until

LEADER_SECONDS = 60


def own_settings(settings: Settings, name: str) -> Settings:
    """Settings of an open broker that nobody else uses; all its files are in build/NAME, which is emptied first.

    The broker, once started by `infra.up`, is stopped when this process ends, if not earlier.
    """
    settings, folder = settings.without_security(), settings.build_dir / name
    if folder.exists():
        infra.down(replace(settings, mode="embedded", build_dir=folder))  # what an earlier run has left
        shutil.rmtree(folder)
    own = replace(settings, mode="embedded", build_dir=folder, bootstrap_servers=f"localhost:{free_port()}")
    atexit.register(infra.down, own)
    return own


def wait_for_leader(cluster: Cluster, topic: str) -> None:
    """Wait until the topic's partitions have a leader: after a crash, a broker answers some seconds before they have.

    Raises TimeoutError if they have none after a minute.
    """

    def is_led() -> bool:
        with suppress(BrokerError):
            return bool(cluster.offsets(topic))
        return False

    wait_until(is_led, LEADER_SECONDS)
