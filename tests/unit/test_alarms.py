"""Alarms of the status: what is unusual in the recent batches, what is not, and that the README has their words."""

import re

import pytest

from lib.consumer.progress import BatchReport
from lib.consumer.status import UNUSUAL_MESSAGES, alarms, trigger_seconds
from lib.settings import ROOT
from tests import runbook


def batches(*waiting: int, seconds: float = 0.5, received: int = 100, late: int = 0, malformed: int = 0):
    """A report for each number of messages that waited when a batch began."""
    verdicts = {"received": received, "late": late, "malformed": malformed}
    return [BatchReport(n, 0.0, seconds, 0.0, 0, "-", each, verdicts) for n, each in enumerate(waiting)]


GROWING, QUIET = range(100, 200, 10), [100] * 10
SOME, LEAST = 1000, UNUSUAL_MESSAGES


@pytest.mark.parametrize(
    "name, recent, trigger, lag_seconds",
    [
        ("lag", batches(*GROWING), 2, 10.1),
        ("lag", batches(*QUIET, *GROWING), 0, 60),
        ("late", batches(*QUIET, received=SOME, late=51), 2, 0),
        ("late", batches(1, received=LEAST, late=LEAST), 2, 0),
        ("malformed", batches(*QUIET, received=SOME, malformed=51), 2, 0),
        ("batch time", batches(*QUIET[:5], seconds=2.1), 2, 1),
        ("batch time", [*batches(*QUIET), *batches(*QUIET[:5], seconds=2.1)], 2, 1),
    ],
)
def test_what_is_unusual_is_said_in_the_readme_s_words(name, recent, trigger, lag_seconds):
    (alarm,) = alarms(recent, trigger, lag_seconds)
    assert [found for found, words in runbook.alarms().items() if words.fullmatch(alarm)] == [name], alarm


@pytest.mark.parametrize(
    "recent, trigger, lag_seconds",
    [
        ([], 2, 0),
        (batches(*GROWING), 2, 10),
        (batches(*GROWING), 2, None),
        (batches(*GROWING), 60, 119),
        (batches(*GROWING[:9]), 2, 60),
        (batches(*GROWING[::-1]), 2, 3600),
        (batches(*QUIET), 2, 3600),
        (batches(*GROWING[:5], *GROWING[4:9]), 2, 60),
        (batches(1, received=3, late=1, malformed=1), 2, 0),
        (batches(1, received=LEAST - 1, late=LEAST - 1), 2, 0),
        (batches(*QUIET, received=SOME, late=50, malformed=50), 2, 0),
        (batches(*QUIET[:4], seconds=60), 2, 1),
        (batches(*QUIET, seconds=2), 2, 1),
        ([*batches(*QUIET, seconds=60), *batches(1)], 2, 1),
        (batches(*QUIET, seconds=60), 0, 1),
    ],
)
def test_what_is_usual_is_no_alarm(recent, trigger, lag_seconds):
    assert alarms(recent, trigger, lag_seconds) == []


def test_the_text_has_the_numbers():
    found = alarms(batches(*range(1000, 2000, 100), seconds=2.44, received=1000, late=120, malformed=60), 2, 60)
    assert found == [
        "lag grows: from 1,000 to 1,900 messages within 10 batches",
        "batch time above the trigger of 2 s: each of the last 5 batches took 2.4 s or more",
        "late 12 %: 1,200 of 10,000 recent messages are older than the watermark and not counted",
        "malformed 6 %: 600 of 10,000 recent messages are not valid tweets: dead letters",
    ]


@pytest.mark.parametrize(
    "trigger, seconds",
    [({"processingTime": "1 minute 30 seconds"}, 90), ({"processingTime": "0 seconds"}, 0),
     ({"processingTime": "interval 2 seconds"}, 0), ({"availableNow": True}, 0)],
)  # fmt: skip
def test_the_interval_of_a_trigger(trigger, seconds):
    assert trigger_seconds(trigger) == seconds


def test_each_alarm_of_the_runbook_is_provoked_on_a_running_consumer():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "integration").glob("test_*.py")]
    provoked = re.findall(r'runbook\.says\("([a-z ]+)"', "\n".join(sources))
    assert sorted(provoked) == sorted(runbook.alarms())
