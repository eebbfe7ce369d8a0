"""The producer's pacing, in simulated time, and its options."""

import threading
from itertools import chain, count, islice

import pytest

from lib.errors import SettingError
from lib.producer import client
from lib.producer.client import paced


class Clock:
    """Simulated time, in which waiting takes no time: stands for the module `time` and for the event `stop`."""

    now, stopped_at = 1000.0, float("inf")

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now = min(self.now + seconds, max(self.now, self.stopped_at))

    def is_set(self) -> bool:
        return self.now >= self.stopped_at


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(client, "time", simulated := Clock())
    return simulated


def times(clock, rate, messages=count, duration=None, full=lambda: False, stall=None):
    """Seconds at which each message was emitted; `stall` = (message, seconds that sending it took)."""
    began, found = clock.now, []
    for message in chain.from_iterable(paced(messages(), rate, clock, duration, full)):
        found.append(clock.now - began)
        if stall and message == stall[0]:
            clock.now += stall[1]
    return found


def test_each_message_is_emitted_when_it_is_due(clock):
    assert times(clock, 4, lambda: range(5)) == [0, 0.25, 0.5, 0.75, 1]


def test_after_a_stall_overdue_messages_follow_at_once_and_the_rate_does_not_drift(clock):
    assert times(clock, 1, lambda: range(6), stall=(1, 2.5)) == [0, 1, 3.5, 3.5, 4, 5]


def test_rate_zero_is_without_pauses(clock):
    assert times(clock, 0, lambda: range(1000)) == [0] * 1000


@pytest.mark.parametrize("duration, emitted", [(0, 0), (0.5, 1), (1, 1), (1.01, 2), (10, 10)])
def test_a_duration_includes_its_start_and_excludes_its_end(clock, duration, emitted):
    began = clock.now
    assert len(times(clock, 1, duration=duration)) == emitted
    assert clock.now == began + duration, "it ends then, not when the next message would be due"


def test_stop_interrupts_a_wait(clock):
    clock.stopped_at = clock.now + 2.5
    assert times(clock, 1) == [0, 1, 2] and clock.now == clock.stopped_at


def test_back_pressure_holds_the_next_message(clock):
    room_at = clock.now + 3
    found = times(clock, 1, lambda: range(6), full=lambda: 1001 <= clock.now < room_at)
    assert found == pytest.approx([0, 3, 3, 3, 4, 5], abs=0.02)


@pytest.mark.parametrize("duration, stopped_at", [(5, float("inf")), (None, 1005)])
def test_back_pressure_ends_with_the_duration_or_a_stop(clock, duration, stopped_at):
    clock.stopped_at = stopped_at
    assert times(clock, 1, duration=duration, full=lambda: True) == []
    assert clock.now == pytest.approx(1005, abs=0.02)


def test_at_rate_zero_back_pressure_holds_within_a_hundred_messages(clock):
    found = times(clock, 0, duration=5, full=lambda: True)
    assert found == []
    clock.stopped_at, sent = clock.now + 5, []
    for number in chain.from_iterable(paced(count(), 0, clock, None, full=lambda: len(sent) >= 1050)):
        sent.append(number)
    assert len(sent) == 1100


def test_a_message_is_taken_only_when_it_can_be_sent():
    taken = []
    source = (taken.append(number) or number for number in range(100))
    list(islice(chain.from_iterable(paced(source, 0, threading.Event(), None, lambda: False)), 3))
    assert taken == [0, 1, 2]


def test_a_client_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setattr("lib.producer.confluent.Producer", None)
    with pytest.raises(SettingError) as refused:
        client.send([], "topic", "localhost:1", 0, threading.Event(), client="confluent")
    assert refused.value.data == {"option": "client", "value": "confluent"} and "pip install" in refused.value.remedy


@pytest.mark.parametrize("duration", ["nan", "-1", "inf"])
def test_a_duration_out_of_range_is_refused(run_main, duration):
    run = run_main("producer", f"--duration={duration}")
    assert run.returncode == 1 and run.error.data["option"] == "duration"


def test_a_tweet_option_out_of_range_is_refused_before_the_broker_is_asked(run_main):
    run = run_main("producer", "--rate", -5)
    assert run.returncode == 1 and run.error.data == {"option": "rate", "value": -5}
