"""Latency of a streaming query that copies a topic to another one: both times are the broker's."""

import threading

import pandas as pd
from pyspark.sql.streaming import StreamingQuery

from lib import tweets
from lib.producer import send
from lib.topics import Cluster
from lib.wait import wait_until

FIRST_SECONDS, LAST_SECONDS = 120, 60
AT_ONCE = {"linger_ms": 0, "compression_type": None}


def measure(query: StreamingQuery, cluster: Cluster, topics: tuple[str, str], count: int, rate: float) -> pd.Series:
    """Send `count` tweets at `rate` a second to the first topic, and stop the query once all are in the second one.

    Returns for each tweet the milliseconds from its arrival in the first topic to that in the second. Both topics have
    one partition, are empty when the query starts, and have the broker's clock. The tweet that warms the query up does
    not count. Raises what has ended the query, and TimeoutError.
    """
    source, target = topics

    def arrived() -> bool:
        if error := query.exception():
            raise error
        return cluster.offsets(target) == cluster.offsets(source)

    try:
        for number, rest in ((1, FIRST_SECONDS), (count, LAST_SECONDS)):
            send(tweets.stream(number), source, cluster.address, rate, threading.Event(), **AT_ONCE)
            wait_until(arrived, number / rate + rest)
    finally:
        query.stop()
    times = [[record.timestamp for record in cluster.read(topic, start={0: 1})] for topic in topics]
    return pd.Series(times[1]) - pd.Series(times[0])
