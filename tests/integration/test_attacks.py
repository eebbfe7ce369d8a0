"""Messages that could make a stream lose or invent tweets: each honest one is counted once."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.conftest import DEVANAGARI, NOW, honest, tweet
from tests.judge import dead_letters


@pytest.mark.parametrize("ahead", [60, 290, 3600, 10**9])
def test_a_tweet_from_the_future_is_refused_and_no_other_is_late(count, start, ahead):
    totals = count([tweet("future", ahead)], honest(1), honest(2))
    assert totals == {"received": 201, "counted": 200, "duplicates": 0, "late": 0, "malformed": 1}
    (reason,) = dead_letters(start().store).values()
    assert reason.startswith("from the future")


def test_a_sender_whose_clock_is_50_minutes_fast_moves_nothing(count):
    """Its Kafka timestamps are as fast as its tweets: only the broker's clock tells."""
    fast = datetime.now(UTC) + timedelta(minutes=50)
    wrong = [tweet(f"fast-{n}", at=fast) for n in range(50)]
    totals = count(wrong, honest(1), honest(2), timestamp_ms=round(fast.timestamp() * 1000))
    assert totals == {"received": 250, "counted": 200, "duplicates": 0, "late": 0, "malformed": 50}


def test_a_thousand_tweets_just_within_the_tolerance_make_nobody_late(count):
    totals = count(*([tweet(f"{part}-{n}", 9.9) for n in range(500)] + honest(part) for part in range(2)))
    assert totals == {"received": 1200, "counted": 1200, "duplicates": 0, "late": 0, "malformed": 0}


def test_a_topic_with_the_senders_clock_is_told_once(cluster, topic, start, capfd, run_main):
    cluster.alter(topic, "message.timestamp.type", "CreateTime")
    running = start()
    assert start() is running
    told = capfd.readouterr().err
    command = f"python -m lib.topics alter {topic} message.timestamp.type=LogAppendTime"
    assert told.count("senders' clocks") == 1 and command in told
    running.stop()
    assert run_main(*command.removeprefix("python -m lib.").split()).returncode == 0
    start().stop()
    assert capfd.readouterr().err == ""


def test_aborted_transactions_are_neither_counted_nor_recounted(cluster, topic, count, transaction):
    transaction([tweet(f"aborted-{n}", -2) for n in range(100)], commit=False)
    transaction([tweet(f"committed-{n}", -2) for n in range(100)], commit=True)
    totals = count(honest(1))
    assert totals["received"] == totals["counted"] == 200, "of the 300 sent, 100 were aborted"
    assert len(list(cluster.read(topic))) == 200


def test_hashtags_with_combining_marks_are_whole(count, start):
    count([tweet("a", -2, DEVANAGARI), tweet("b", -1, "#हिन्दी")])
    counts = start().store.windows()
    assert set(counts.hashtag) == {"हिन्दी", "தமிழ்", "x"} and counts[counts.hashtag == "हिन्दी"].tweets.max() == 2


def test_two_texts_with_one_id_in_one_batch_are_two_tweets_and_a_repetition_is_none(count, send, start):
    at = datetime.now(UTC) - timedelta(seconds=3)
    two = [tweet("one", 0, "#a", at), tweet("one", 0, "#b", at)]
    totals = count([*two, *two, tweet("one", 0.001, "#a", at)])  # the keys put them into both partitions
    assert totals == {"received": 5, "counted": 3, "duplicates": 2, "late": 0, "malformed": 0}
    counts = start().store.windows()
    assert counts[counts.hashtag == "a"].tweets.max() == 2 and counts[counts.hashtag == "b"].tweets.max() == 1


def test_tweets_sent_as_fast_as_possible_are_all_in_time(fill, start, judge):
    """However many: by default they are dated so that the last one is not in the future."""
    start(at_most=20_000)
    fill(100_000)
    start(at_most=20_000).stop()
    totals = start(trigger=NOW, at_most=20_000).finish(120)
    assert totals == judge().totals() == {
        "received": 100_000, "counted": 100_000, "duplicates": 0, "late": 0, "malformed": 0
    }  # fmt: skip
