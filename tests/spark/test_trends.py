"""The DataFrame functions against the plain-Python rule, on a real Spark, without a stream."""

import json
import unicodedata

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from lib import recount, trends
from lib.consumer.store import Batch
from lib.query import TrendQuery
from lib.ranking import to_dict
from lib.topics import Record
from tests.spark.conftest import GOOD, HOSTILE, changed

NOON_MS = 1767268800000
# Each example is a Spark job, so they are few and large, and are not shrunk; the assertion names the culprit.
few = settings(
    max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
# Java 17 knows Unicode 13, and Python from 14 on: take characters that are older than both. No lone surrogates.
known = st.characters(exclude_categories=["Cs"]).filter(lambda c: unicodedata.ucd_3_2_0.category(c) != "Cn")
text = st.text(known, max_size=12)
tagged = st.lists(st.one_of(text, st.sampled_from(["#", "##", "_", " ", "İ", "Σ", "ß", "ﬁ", "a#b"])), max_size=8).map(
    lambda parts: "#".join(parts)
)


@few
@given(texts=st.lists(tagged, min_size=200, max_size=400))
def test_hashtags_are_those_of_the_python_rule(spark, texts):
    rows = [(number, t) for number, t in enumerate(texts)]
    found = spark.createDataFrame(rows, "created_at INT, text STRING").transform(trends.hashtags).collect()
    by_text = [[] for _ in texts]
    for row in found:
        by_text[row.created_at].append(row.hashtag)
    for t, hashtags in zip(texts, by_text, strict=True):
        assert sorted(hashtags) == sorted(recount.hashtags(t)), t


def test_every_character_in_a_hashtag(spark):
    """All of Unicode, each character in a hashtag of its own: what differs is only newer than Java's Unicode 13."""
    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    rows = [(number, f"#a{c}b") for number, c in enumerate(characters)]
    found = spark.createDataFrame(rows, "created_at INT, text STRING").transform(trends.hashtags).toPandas()
    by_number = found.groupby("created_at")["hashtag"].agg(set).to_dict()
    differing = [c for n, c in enumerate(characters) if recount.hashtags(f"#a{c}b") != by_number[n]]
    assert all(unicodedata.ucd_3_2_0.category(c) == "Cn" for c in differing)
    assert len(differing) < 6000, "525 with Java 17 and Python 3.11; a newer Python knows more letters"


def both(spark, values: list, timestamp_ms: int = NOON_MS):
    """(Spark's parsed rows, the recount's tweets) of the same message values."""
    rows = [(0, n, None if v is None else bytearray(v)) for n, v in enumerate(values)]
    frame = spark.createDataFrame(rows, "partition INT, offset LONG, value BINARY").withColumn(
        "timestamp", F.timestamp_millis(F.lit(timestamp_ms))
    )
    parsed = frame.transform(trends.parse).withColumn("ms", F.unix_millis("created_at")).drop("created_at")
    return parsed.orderBy("offset").collect(), [
        recount.parse(Record(0, n, timestamp_ms, None, v)) for n, v in enumerate(values)
    ]


def assert_same(spark, values):
    for value, row, tweet in zip(values, *both(spark, values), strict=True):
        judged = None if row.reason else (row.id, row.text, row.ms)
        assert judged == (tweet and (tweet.id, tweet.text, tweet.created_ms)), (value and value[:200], row.reason)


@pytest.mark.parametrize(
    "value, reason",
    [
        (None, "no value"),
        (b"", "not a tweet's JSON object"),
        (b"hello", "not a tweet's JSON object"),
        (b"[1]", "not a tweet's JSON object"),
        (b'{"usuario": "User_1", "mensaje": "Hola Kafka", "contador": 1}', "not a tweet's JSON object"),
        (changed()[:-3], "not a tweet's JSON object"),
        (changed().replace(b"#x", b"\xff"), "not UTF-8"),
        (changed(id=5), "id is missing or not a string"),
        (changed(user=...), "user is missing"),
        (changed(text={"a": "#x"}), "text is missing or not a string"),
        (changed(created_at="yesterday"), "created_at is missing or not a time like 2026-01-01T12:00:00.000Z"),
        (changed(created_at="2099-01-01T00:00:00.000Z"), "from the future: over 10 s ahead"),
        (changed(), None),
    ],
)
def test_every_refused_message_has_its_reason(spark, value, reason):
    (row,), _ = both(spark, [value])
    assert row.reason == reason
    assert row.value == value, "the message itself is kept"


def test_hostile_messages_are_judged_as_by_the_recount(spark):
    assert_same(spark, HOSTILE)


def test_dead_letters_are_the_malformed_messages_and_no_others(spark):
    rows = [(0, n, None if v is None else bytearray(v)) for n, v in enumerate(HOSTILE)]
    frame = spark.createDataFrame(rows, "partition INT, offset LONG, value BINARY")
    frame = frame.withColumn("timestamp", F.timestamp_millis(F.lit(NOON_MS)))
    judged = frame.transform(trends.parse).select("offset", "reason").where("reason IS NOT NULL").collect()
    written = frame.transform(trends.dead_letters).select("offset", "reason").collect()
    assert sorted(written) == sorted(judged)
    recognised = {row.offset for row in frame.where(trends.looks_valid()).select("offset").collect()}
    assert len(recognised) >= 5 and not recognised & {row.offset for row in judged}


json_value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=5,
)
message = st.one_of(
    st.fixed_dictionaries({}, optional={name: st.one_of(json_value, st.just(GOOD[name])) for name in GOOD}),
    st.fixed_dictionaries({name: st.just(value) for name, value in GOOD.items()}, optional={"more": json_value}),
    json_value,
).map(lambda value: json.dumps(value, ensure_ascii=False).encode())
mangled = st.tuples(message, st.integers(0, 200), st.binary(max_size=2), st.integers(0, 3)).map(
    lambda m: m[0][: m[1]] + m[2] + m[0][m[1] + m[3] :]
)


@few
@given(values=st.lists(st.one_of(message, mangled, st.binary(max_size=20)), min_size=200, max_size=400))
def test_any_message_is_judged_as_by_the_recount(spark, values):
    assert_same(spark, values)


def test_a_batch_counts_windows_as_the_recount_does(spark):
    stamps = [("09.999", "a"), ("10.000", "b"), ("14.999", "c"), ("15.000", "d"), ("10.000", "b")]
    values = [changed(created_at=f"2026-01-01T12:00:{s}Z", id=i, text="#One #one #two") for s, i in stamps]
    frame = spark.createDataFrame(
        [(0, n, bytearray(v)) for n, v in enumerate(values)], "partition INT, offset LONG, value BINARY"
    )
    query = TrendQuery("10 seconds", "5 seconds", "30 seconds")
    counted = trends.trending(
        frame.withColumn("timestamp", F.timestamp_millis(F.lit(NOON_MS + 60_000))), query
    ).toPandas()
    records = [Record(0, n, NOON_MS + 60_000, None, v) for n, v in enumerate(values)]
    answer = recount.recount(records, [Batch({0: len(values)}, 0, 0)], 10_000, 5_000, 30_000)
    assert to_dict(counted) == dict(answer.windows)
    assert counted["tweets"].sum() == 2 * 2 * 4, "four different tweets, two hashtags, two windows each"
