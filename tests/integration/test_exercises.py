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

    def send(topic, pairs, due=None, partition=None, **configs) -> list:
        with KafkaProducer(bootstrap_servers=settings.bootstrap_servers, **configs) as client:
            client.partitions_for(topic)
            began, receipts = time.monotonic(), []
            for number, (key, value) in enumerate(pairs):
                if due:
                    time.sleep(max(0, began + due[number] - time.monotonic()))
                receipts.append(client.send(topic, value, key, partition=partition))
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
    assert "2 messages are too many, copies of others; empty the topic" in judged()
    assert lesson_02.by_language(..., MESSAGES, cluster).text.startswith("Not answered yet")
    for pairs, partition, hint in (
        (MESSAGES, None, "has the key b'"),
        (keyed[:-1] + keyed[:1], None, "1 of the 60 messages are missing, and 1 are copies of others"),
        ([(value, key) for key, value in keyed], None, "in which order does send() take"),
        ([(key, b" " + value) for key, value in keyed], None, 'not among the tweets, such as b\' {"id"'),
        (keyed, 0, "is in partition 0, and this key leads to another one"),
    ):
        cluster.delete(topic), cluster.create(topic, 2)
        send(topic, pairs, partition=partition)
        assert hint in judged()


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
        ([i // 20 * 0.7 + i % 20 / 200 for i in range(60)], "there is a pause … one at a time"),
    ],
)
def test_lesson_02_burst_is_judged_by_its_pace(cluster, topic, send, due, hint):
    plan = [(60, 40)] if "pause" in hint else PLAN
    said = lesson_02.burst(send(topic, MESSAGES, due), topic, MESSAGES, plan, cluster).text
    assert all(words in said for words in hint.split(" … ")), said


def test_lesson_02_burst_that_the_client_has_collected(cluster, topic, send):
    receipts = send(topic, MESSAGES, IN_TIME, linger_ms=1000)
    said = lesson_02.burst(receipts, topic, MESSAGES, PLAN, cluster).text
    assert "different moments: does your client wait" in said, said


def test_lesson_02_burst_wants_acknowledgements_not_futures(settings, cluster, topic):
    with KafkaProducer(bootstrap_servers=settings.bootstrap_servers) as client:
        futures = [client.send(topic, value, key) for key, value in MESSAGES]
    assert lesson_02.burst(futures, topic, MESSAGES, PLAN, cluster).text.startswith("Not yet: your list has futures")


def test_lesson_02_burst_is_judged_by_its_messages(cluster, topic, send):
    def judged(receipts) -> str:
        return lesson_02.burst(receipts, topic, MESSAGES, PLAN, cluster).text

    assert "is empty; a client that is neither" in judged([])
    receipts = send(topic, MESSAGES, IN_TIME)
    assert "contains True, and an acknowledgement has" in judged([True] * 60)
    assert "your 59 acknowledgements are not those of the 60" in judged(receipts[1:])
    assert judged(receipts) == "Correct."
    send(topic, MESSAGES[:1])
    assert "1 messages are too many" in judged(receipts)
    cluster.delete(topic), cluster.create(topic, 2)
    assert "has the key None" in judged(send(topic, [(None, message.value) for message in MESSAGES]))
