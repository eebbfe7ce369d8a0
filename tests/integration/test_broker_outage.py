"""The producer while its broker is killed, and while it is away for 20 s: nothing lost, nothing twice, order kept."""

import json
import os
import signal
import threading

from lib import tweets
from lib.wait import wait_until
from tests.conftest import gone
from tests.integration.test_infra import elsewhere, pid_of  # noqa: F401
from tests.integration.test_producer import by_key

TWEETS, RATE = 50_000, 1500


def test_nothing_acknowledged_is_lost_or_doubled(run_module, spawn, elsewhere):  # noqa: F811
    assert run_module("infra", "up", environment=elsewhere).returncode == 0
    run_module("topics", "create", "outage", environment=elsewhere)
    start = "2026-01-01T12:00:00Z"
    options = ["--topic", "outage", "--count", str(TWEETS), "--rate", str(RATE), "--start", start]
    producer = spawn("producer", *options, environment=elsewhere)
    reports = []
    threading.Thread(target=lambda: reports.extend(producer.stderr), daemon=True).start()

    def acked() -> int:
        lines = [line for line in list(reports) if "{" in line]
        return json.loads(lines[-1][lines[-1].index("{") :])["acked"] if lines else 0

    wait_until(lambda: acked() > 5000, seconds=30)
    first = pid_of(elsewhere)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: gone(first), seconds=10)
    assert run_module("infra", "up", environment=elsewhere).returncode == 0
    back = acked()
    wait_until(lambda: acked() > back + 5000, seconds=30)

    assert run_module("infra", "down", environment=elsewhere).returncode == 0
    threading.Event().wait(20)  # the outage itself
    assert run_module("infra", "up", environment=elsewhere).returncode == 0
    producer.wait(timeout=120)
    summary = json.loads(producer.stdout.read().splitlines()[-1])
    assert producer.returncode == 0 and summary["sent"] == summary["acked"] == TWEETS

    lines = run_module("topics", "read", "outage", environment=elsewhere).stdout.splitlines()
    kept = [tweets.Message(key.encode(), value.encode()) for _, _, key, value in (line.split("\t") for line in lines)]
    assert len(kept) == TWEETS
    assert by_key(kept) == by_key(tweets.stream(TWEETS, rate=RATE)), "each user's tweets once, and in order"
