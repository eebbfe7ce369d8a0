"""The producer while its broker is killed, and while it is stopped for 20 s: no loss, no duplicate, order kept."""

import json
import os
import signal
import threading

from lib import infra, tweets
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import wait_until
from tests.conftest import gone
from tests.integration.conftest import by_key

TWEETS, RATE = 50_000, 1500


def test_nothing_acknowledged_is_lost_or_doubled(spawn, elsewhere):
    settings = Settings.from_environment(elsewhere)
    first = infra.up(settings)
    with Cluster(settings.bootstrap_servers) as cluster:
        cluster.create("outage")
    options = ["--topic", "outage", "--count", TWEETS, "--rate", RATE, "--start", "2026-01-01T12:00:00Z"]
    producer = spawn("producer", *options, environment=elsewhere)
    reports = []
    threading.Thread(target=lambda: reports.extend(producer.stderr), daemon=True).start()

    def acked() -> int:
        lines = [line for line in list(reports) if "{" in line]
        return json.loads(lines[-1][lines[-1].index("{") :])["acked"] if lines else 0

    wait_until(lambda: acked() > 5000, seconds=30)
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: gone(first.pid), seconds=10)
    assert infra.up(settings).started
    back = acked()
    wait_until(lambda: acked() > back + 5000, seconds=30)

    infra.down(settings)
    threading.Event().wait(20)  # the outage itself
    assert infra.up(settings).started
    producer.wait(timeout=120)
    summary = json.loads(producer.stdout.read().splitlines()[-1])
    assert producer.returncode == 0 and summary["sent"] == summary["acked"] == TWEETS

    with Cluster(settings.bootstrap_servers) as cluster:
        stored = list(cluster.read("outage"))
    assert len(stored) == TWEETS
    assert by_key(stored) == by_key(tweets.stream(TWEETS, rate=RATE)), "each user's tweets once, and in order"
