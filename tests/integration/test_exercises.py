"""Exercises that are judged by what is in Kafka: wrong outcomes with the hint that fits, and the right one."""

import time

import pytest
from kafka import KafkaProducer

from lib import tweets
from lib.course.exercises import lesson_02

MESSAGES = list(tweets.stream(count=60, seed=1))


@pytest.fixture
def send(settings):
    """Send (key, value) pairs, each when it is due if that is given, in seconds; their acknowledgements."""

    def send(topic, pairs, due=None) -> list:
        with KafkaProducer(bootstrap_servers=settings.bootstrap_servers) as client:
            client.partitions_for(topic)
            began, receipts = time.monotonic(), []
            for number, (key, value) in enumerate(pairs):
                if due:
                    time.sleep(max(0, began + due[number] - time.monotonic()))
                receipts.append(client.send(topic, value, key))
            return [receipt.get(timeout=10) for receipt in receipts]

    return send


def test_lesson_02_by_language(cluster, topic, send):
    def judged() -> str:
        return lesson_02.by_language(topic, MESSAGES, cluster).text

    keyed = [(tweets_language(message), message.value) for message in MESSAGES]
    assert "is empty" in judged()
    send(topic, keyed[:-1])
    assert "1 of the 60 messages are missing" in judged()
    send(topic, keyed[-1:])
    assert judged() == "Correct."
    send(topic, keyed[:2])
    assert "2 are too many" in judged()
    cluster.delete(topic), cluster.create(topic, 2)
    send(topic, MESSAGES)
    assert "has the key b'" in judged()


def tweets_language(message) -> bytes:
    return message.value.split(b'"lang":"')[1].split(b'"')[0]


PLAN, IN_TIME = [(20, 20), (40, 80)], [i / 20 for i in range(20)] + [1 + i / 80 for i in range(40)]


@pytest.mark.parametrize(
    "due, hint",
    [
        (IN_TIME, "Correct."),
        ([0] * 60, "tweets 1 to 20 … too fast"),
        ([i / 20 for i in range(60)], "tweets 21 to 60 … too slow"),
        ([i / 20 for i in range(20)] + [i / 80 for i in range(20, 60)], "tweets 21 to 60 … too fast"),
        ([1.6 * moment for moment in IN_TIME], "tweets 1 to 20 … too slow"),
        ([i // 20 * 0.6 + i / 1000 for i in range(60)], "there is a pause … one at a time"),
    ],
)
def test_lesson_02_burst_is_judged_by_its_pace(cluster, topic, send, due, hint):
    plan = [(60, 47)] if "pause" in hint else PLAN
    said = lesson_02.burst(send(topic, MESSAGES, due), topic, MESSAGES, plan, cluster).text
    assert all(words in said for words in hint.split(" … ")), said


def test_lesson_02_burst_is_judged_by_its_messages(cluster, topic, send):
    def judged(receipts) -> str:
        return lesson_02.burst(receipts, topic, MESSAGES, PLAN, cluster).text

    assert "is empty; a client that is neither" in judged([])
    receipts = send(topic, MESSAGES, IN_TIME)
    assert judged([object()]).startswith("Not yet: your list has futures")
    assert "your 59 acknowledgements are not those of the 60" in judged(receipts[1:])
    assert judged(receipts) == "Correct."
    send(topic, MESSAGES[:1])
    assert "1 are too many" in judged(receipts)
    cluster.delete(topic), cluster.create(topic, 2)
    assert "has the key None" in judged(send(topic, [(None, message.value) for message in MESSAGES]))
