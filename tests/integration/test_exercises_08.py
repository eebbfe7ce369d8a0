"""Lesson 08: its measurements, on a real broker and a real Spark, and its sinks. No speed is asserted."""

import pytest
from kafka.errors import KafkaError
from pyspark.errors import StreamingQueryException
from pyspark.sql import functions as F

from lib import consumer, trends, tweets
from lib.course import cold_start, latency, senders
from lib.course.count_table import CountTable
from lib.course.exercises import lesson_08
from lib.course.micro_batches import PARTS, answer, first, median, reports, run, seconds
from lib.recount import hashtags, parse, window_starts

POPULAR = ("ai", "datascience", "fútbol", "madrid", "música", "python")


def count_windows(messages, window="1 minute"):
    tweet = F.from_json(F.col("value").cast("string"), "text STRING, created_at TIMESTAMP")
    rows = messages.select(tweet.alias("tweet")).select("tweet.*").transform(trends.hashtags)
    return rows.groupBy(F.window("created_at", window), "hashtag").count()


@pytest.fixture
def counts(spark, cluster, topic, fill):
    """The counts of a stream of 300 tweets in three micro-batches."""
    fill(300, "--start", "2026-01-01T12:00:00Z")
    return count_windows(consumer.read_topic(spark, cluster, topic, "earliest", at_most=100))


def test_a_cold_start_has_all_parts_and_each_takes_some_time(cluster, topic, fill, tmp_path):
    """Without an archive: the folder has none."""
    fill(3000)
    parts = cold_start.measure(topic, tmp_path)
    assert tuple(parts) == cold_start.PARTS and all(0 < length < 120 for length in parts.values())
    python, spark = cold_start.until_ready(parts)
    query = ("the query starts", "first micro-batch", "second micro-batch")
    assert python == parts["Python and its Kafka client"]
    assert spark == pytest.approx(sum(parts.values()) - sum(parts[name] for name in query))


def test_the_parts_of_the_first_micro_batches_explain_nearly_all_of_their_time(counts):
    found = seconds(first(counts, 2))
    assert list(found) == [*PARTS, "triggerExecution"] and list(found.index) == [0, 1]
    assert found[PARTS].to_numpy().sum() >= 0.95 * found["triggerExecution"].sum()


def test_a_query_that_fails_raises_what_has_ended_it(counts):
    fails = F.when(F.col("count") < 0, "x").otherwise(F.raise_error(F.lit("broken on purpose")))
    with pytest.raises(StreamingQueryException, match="broken on purpose"):
        first(counts.select(fails), 1)


def test_the_answer_is_the_last_count_of_each_window(counts, cluster, topic):
    emitted, found = run(counts, "update")
    assert len(emitted) == len(found) == 3
    assert sorted(seconds(found)["triggerExecution"][1:]) != [] and median(found) > 0
    right: dict[tuple[float, str], int] = {}
    for tweet in map(parse, cluster.read(topic)):
        for hashtag in hashtags(tweet.text):
            for start in window_starts(tweet.created_ms, 60_000, 60_000):
                right[start / 1000, hashtag] = right.get((start / 1000, hashtag), 0) + 1
    assert answer(emitted) == right


@pytest.fixture
def copied(spark, cluster, topic, tmp_path):
    """Start a query that copies the first topic to the second one; both have one partition."""
    topics = f"{topic}-in", f"{topic}-out"
    for name in topics:
        cluster.delete(name)
        cluster.create(name, partitions=1)

    def start(trigger, change=lambda messages: messages.select("key", "value")):
        kafka = {"kafka.bootstrap.servers": cluster.address, "checkpointLocation": tmp_path / "copy"}
        messages = spark.readStream.format("kafka").options(**kafka, subscribe=topics[0], startingOffsets="earliest")
        writer = messages.load().transform(change).writeStream.format("kafka").options(**kafka, topic=topics[1])
        return writer.outputMode("update").trigger(**trigger).start()

    yield start, topics
    for name in topics:
        cluster.delete(name)


@pytest.mark.parametrize("trigger", [{"processingTime": "0 seconds"}, {"realTime": "5 seconds"}])
def test_the_latency_of_each_tweet_is_measured_by_the_brokers_clock(cluster, copied, trigger):
    start, topics = copied
    query = start(trigger)
    waited = latency.measure(query, cluster, topics, count=50, rate=100)
    assert len(waited) == 50 and (waited >= 0).all() and not query.isActive
    values = [[record.value for record in cluster.read(topic)] for topic in topics]
    assert values[0] == values[1] and len(values[0]) == 51, "the first one only warms up"


def test_real_time_mode_refuses_an_aggregation(cluster, copied):
    """Spark 4.3 will accept some: then the lesson has to change."""
    start, topics = copied

    def count(messages):
        return messages.groupBy("key").agg(F.count("*").cast("string").alias("value"))

    with pytest.raises(StreamingQueryException, match="STREAMING_REAL_TIME_MODE"):
        latency.measure(start({"realTime": "5 seconds"}, count), cluster, topics, count=1, rate=100)


def test_both_clients_send_each_message_once(cluster, topic):
    messages = list(tweets.stream(100))
    assert senders.kafka_python(cluster, topic, messages, {}) > 0
    assert senders.kafka_python(cluster, topic, messages[:5], {"linger_ms": 0}, wait=True) > 0
    sent = [message.value for message in messages + messages[:5]]
    values = [record.value for record in cluster.read(topic)]
    assert sorted(values) == sorted([b"connect before the clock starts"] * 2 + sent)


def test_the_other_client_sends_each_message_once(cluster, topic):
    messages = list(tweets.stream(100))
    assert senders.confluent(cluster, topic, messages, {"linger.ms": 5}) > 0
    assert sorted(record.value for record in cluster.read(topic)) == sorted(message.value for message in messages)


def test_a_message_that_is_too_large_is_an_error(cluster, topic):
    with pytest.raises(KafkaError):
        senders.kafka_python(cluster, topic, [(b"k", b"x" * 2_000_000)], {}, wait=True)


@pytest.fixture
def sinks(counts, tmp_path):
    """The table, and sinks of the exercise: {name: function}."""
    table = CountTable(tmp_path / "counts.db")
    columns = F.unix_seconds("window.start"), "hashtag", "count"

    def write(batch, *tags):
        table.write(batch.where(F.col("hashtag").isin(*tags)).select(*columns).collect())

    def one_by_one(batch, number):
        for tag in POPULAR:
            write(batch, tag)

    yield (
        table,
        {
            "slow": one_by_one,
            "fast": lambda batch, number: write(batch, *POPULAR),
            "some are missing": lambda batch, number: write(batch, *POPULAR[:2]),
            "too many": lambda batch, number: table.write(batch.select(*columns).collect()),
            "it fails": lambda batch, number: 1 / 0,
        },
    )
    table.close()


@pytest.mark.parametrize(
    "bottleneck, own, hint",
    [
        ("count", "fast", "with another sink, which throws all rows away"),
        ("sink", "some are missing", "rows are missing in the table"),
        ("sink", "too many", "rows of the table are not as before"),
        ("sink", "it fails", "an error in your sink: ZeroDivisionError: division by zero"),
        ("sink", "slow", "the table is right, but a micro-batch takes"),
        ("sink", "fast", "Correct."),
    ],
)
def test_a_sink_is_judged_by_what_it_leaves_in_the_table_and_by_its_time(counts, sinks, bottleneck, own, hint):
    """The slow one is said to take a minute, or no time: so no speed decides."""
    table, found = sinks
    _, right = table.measure(counts, found["slow"])
    slow = (0.001 if own == "slow" else 60, right)
    verdict = lesson_08.faster(bottleneck, found[own], slow, lambda sink: table.measure(counts, sink))
    assert right and hint in verdict.text


def test_reports_of_micro_batches_that_read_nothing_do_not_count(spark):
    query = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 10).load().where("value < 0")
    assert all(report.numInputRows for report in first(query, 2))
    assert reports(spark.readStream.format("rate").load().writeStream.format("noop").start()) == []
