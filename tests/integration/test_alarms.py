"""Alarms of the README's runbook, provoked on a running consumer: its status, live table and terminal show them."""

from html import unescape

import pytest

from lib.consumer import status
from lib.consumer.status import status_of
from lib.consumer.terminal import show_while
from lib.live_table import LiveTable
from lib.wait import wait_until
from tests import runbook
from tests.integration.conftest import honest, tweet


@pytest.fixture
def unusual(cluster, topic, send, start):
    """A consumer many of whose tweets were late and malformed, just now."""
    running = start()
    late = [tweet(f"late-{n}", -600) for n in range(30)]
    for values in (honest(1), honest(2), [*late, *[b"not a tweet"] * 40]):  # a batch of its own each
        send(values)
        running.wait_for(cluster.offsets(topic), seconds=60)
    return running


def test_late_and_malformed(unusual, capsys, monkeypatch):
    monkeypatch.setattr(status, "QUIET_SECONDS", 600)  # however long this test takes, the consumer is running
    found = status_of(unusual)
    assert runbook.says("late", found) and runbook.says("malformed", found)
    assert found.alarms[0].startswith("late 11 %: 30 of 270 recent") and "malformed 15 %: 40 of 270" in found.alarms[1]
    assert all(alarm in unescape(LiveTable(unusual).html()) for alarm in found.alarms)
    for terminal in ("", "1"):  # a line a batch; the table
        monkeypatch.setenv("FORCE_COLOR", terminal)
        once = iter([True, False])
        show_while(lambda once=once: next(once), unusual)
        shown = " ".join(capsys.readouterr().out.split())
        assert all(alarm in shown for alarm in found.alarms), shown
        assert ("Trending topics" in shown) == bool(terminal)


def test_the_lag_grows(send, start, monkeypatch):
    monkeypatch.setattr(status, "LAG_SECONDS", 1)
    running, ends = start(at_most=10), []

    def grows() -> bool:
        if running.progress.offsets not in ends:  # for each batch twice as many messages as it takes
            ends.append(running.progress.offsets)
            send(honest(1)[:20])
        return runbook.says("lag", status_of(running))

    wait_until(grows, seconds=60)


def test_batches_take_longer_than_the_trigger(send, start):
    running = start(trigger={"processingTime": "1 millisecond"})

    def slow() -> bool:
        send(honest(1))
        return runbook.says("batch time", status_of(running))

    wait_until(slow, seconds=60)
