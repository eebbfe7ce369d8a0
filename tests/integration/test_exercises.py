"""Exercises that are judged by what is in Kafka: wrong outcomes with the hint that fits, and the right one."""

import time

import pytest
from kafka import KafkaProducer

from lib import tweets
from lib.course.exercises import lesson_02

MESSAGES = list(tweets.stream(count=60, seed=1))


@pytest.fixture
def send(settings):
    """Send (key, value) pairs, at a rate if one is given; their acknowledgements."""

    def send(topic, pairs, per_second=None) -> list:
        with KafkaProducer(bootstrap_servers=settings.bootstrap_servers) as client:
            client.partitions_for(topic)
            began, receipts = time.monotonic(), []
            for number, (key, value) in enumerate(pairs):
                if per_second:
                    time.sleep(max(0, began + number / per_second - time.monotonic()))
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


@pytest.mark.parametrize(
    "per_second, keys, hint",
    [(30, True, "Correct."), (None, True, "too fast"), (15, True, "sleep until the moment"), (30, False, "no key")],
)
def test_lesson_02_paced(cluster, topic, send, per_second, keys, hint):
    receipts = send(topic, [(m.key if keys else None, m.value) for m in MESSAGES], per_second)
    assert hint in lesson_02.paced(receipts, topic, 60, 30, cluster).text
    assert "should have 50" in lesson_02.paced(receipts, topic, 50, 30, cluster).text
    if keys:
        assert "59 acknowledgements" in lesson_02.paced(receipts[1:], topic, 60, 30, cluster).text
