"""Proxy that loses acknowledgements: what the client retries, what the broker stores, and that nothing is left."""

import threading

import pytest
from kafka import KafkaProducer

from lib import tweets
from lib.course.lossy_proxy import LossyProxy
from lib.wait import wait_until


@pytest.mark.parametrize(
    "lose, idempotent, copies",
    [((), False, [1] * 5), ({3}, False, [1, 1, 2, 1, 1]), ({3}, True, [1] * 5), ({1, 2, 6}, False, [3, 1, 1, 2, 1])],
)
def test_a_lost_acknowledgement_is_a_retry(settings, cluster, topic, lose, idempotent, copies):
    before, sent = set(threading.enumerate()), list(tweets.stream(count=5))
    options = {"bootstrap_servers": settings.bootstrap_servers, "enable_idempotence": idempotent}
    with LossyProxy(lose) as proxy, KafkaProducer(proxy_url=proxy.url, **options) as client:
        for message in sent:
            client.send(topic, message.value, message.key).get(timeout=30)
    values = [record.value for record in cluster.read(topic)]
    assert [values.count(message.value) for message in sent] == copies
    assert proxy.seen == 5 + len(lose)
    wait_until(lambda: set(threading.enumerate()) <= before, seconds=10)
