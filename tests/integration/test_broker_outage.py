"""The producer, with both clients at once, while its broker is killed, and while it is stopped for 20 s.

Nothing is lost, nothing doubled, the order is kept.
"""

import json
import os
import signal
import threading

from lib import infra, tweets
from lib.producer.client import CLIENTS
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import wait_until
from tests.conftest import gone
from tests.integration.conftest import by_key

TWEETS, RATE = 50_000, 1500


def test_nothing_acknowledged_is_lost_or_doubled(spawn, elsewhere):
    settings = Settings.from_environment(elsewhere)
    first = infra.up(settings)
    options = ["--count", TWEETS, "--rate", RATE, "--start", "2026-01-01T12:00:00Z"]
    with Cluster(settings.bootstrap_servers) as cluster:
        for client in CLIENTS:
            cluster.create(client)
    producers = {
        client: spawn("producer", "--topic", client, "--client", client, *options, environment=elsewhere)
        for client in CLIENTS
    }
    reports = {client: [] for client in CLIENTS}
    for client, producer in producers.items():
        threading.Thread(target=reports[client].extend, args=(producer.stderr,), daemon=True).start()

    def acked() -> int:
        """By the client that has fewer."""
        lines = {client: [line for line in list(reports[client]) if "{" in line] for client in CLIENTS}
        return min(json.loads(each[-1][each[-1].index("{") :])["acked"] if each else 0 for each in lines.values())

    wait_until(lambda: acked() > 5000, seconds=30)
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: gone(first.pid), seconds=10)
    assert infra.up(settings).started
    back = acked()
    wait_until(lambda: acked() > back + 5000, seconds=30)

    infra.down(settings)
    threading.Event().wait(20)  # the outage itself
    assert infra.up(settings).started
    for client, producer in producers.items():
        producer.wait(timeout=120)
        summary = json.loads(producer.stdout.read().splitlines()[-1])
        assert producer.returncode == 0 and summary["sent"] == summary["acked"] == TWEETS, client

    with Cluster(settings.bootstrap_servers) as cluster:
        for client in CLIENTS:
            stored = list(cluster.read(client))
            assert len(stored) == TWEETS, client
            sent = by_key(tweets.stream(TWEETS, rate=RATE))
            assert by_key(stored) == sent, f"{client}: each user's tweets once, and in order"
