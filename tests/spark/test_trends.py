"""The DataFrame functions against the plain-Python rule, on a real Spark, without a stream."""

import json
import unicodedata
from collections import defaultdict
from random import Random

import pytest
from pyspark.sql import functions as F

from lib import recount, trends
from lib.consumer.store import Batch
from lib.query import TrendQuery
from lib.ranking import to_dict
from lib.topics import Record
from tests.spark.conftest import GOOD, HOSTILE, changed

NOON_MS = 1767268800000
# Java 17 knows Unicode 13, and Python from 14 on: take characters that are older than both. No lone surrogates.
KNOWN = defaultdict(list)
for c in map(chr, range(0x110000)):
    KNOWN[unicodedata.ucd_3_2_0.category(c)].append(c)
CATEGORIES = sorted(KNOWN.keys() - {"Cn", "Co", "Cs"})
# A Spark job takes thousands of values at once. Hypothesis cannot draw so many: it gave up, and tested next to none.
SEEDS = pytest.mark.parametrize("seed", range(3))


def random_text(rng: Random) -> str:
    """Up to 12 characters, as often a mark or a digit as a Chinese letter, though there are more of those."""
    return "".join(rng.choice(KNOWN[rng.choice(CATEGORIES)]) for _ in range(rng.randrange(13)))


@SEEDS
def test_hashtags_are_those_of_the_python_rule(spark, seed):
    rng, odd = Random(seed), ["#", "##", "_", " ", "İ", "Σ", "ß", "ﬁ", "a#b", "ΑΣ_Β", "ΟΔΟΣ", "οδος", "ας1ς.Σ"]
    texts = ["#".join(rng.choice([random_text(rng), *odd]) for _ in range(rng.randrange(8))) for _ in range(2000)]
    found = spark.createDataFrame(list(enumerate(texts)), "created_at INT, text STRING").transform(trends.hashtags)
    by_text = defaultdict(list)
    for row in found.collect():
        by_text[row.created_at].append(row.hashtag)
    for number, text in enumerate(texts):
        assert sorted(by_text[number]) == sorted(recount.hashtags(text)), text
    assert len(by_text) > 1000


def test_every_character_in_a_hashtag(spark):
    """All of Unicode, each character in a hashtag of its own: what differs is only newer than Java's Unicode 13."""
    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    texts = [" ".join(f"#a{c}b" for c in characters[first : first + 500]) for first in range(0, len(characters), 500)]
    found = spark.createDataFrame(list(enumerate(texts)), "created_at INT, text STRING").transform(trends.hashtags)
    by_text = found.groupBy("created_at").agg(F.collect_set("hashtag")).collect()
    assert len(by_text) == len(texts)
    differing = [hashtag for number, tags in by_text for hashtag in recount.hashtags(texts[number]) ^ {"a", *tags}]
    differing = [hashtag for hashtag in differing if hashtag != "a"]  # of #a and a character that is in no hashtag
    assert all(unicodedata.ucd_3_2_0.category(hashtag[1]) == "Cn" for hashtag in differing)
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
    no_time = F.col("created_at").isNull().alias("no_time")  # some times are too early for Python
    marked = frame.transform(trends.parse).transform(trends.mark_dead_letters)
    marked = marked.select("dead_letter", "second", no_time).collect()
    letters = [row.dead_letter for row in marked if row.dead_letter]
    assert sorted((letter.offset, letter.reason) for letter in letters) == sorted(judged)
    assert all(letter.value == rows[letter.offset][2] for letter in letters)
    assert all(row.no_time == (row.dead_letter is not None) for row in marked)
    assert all(row.second == row.dead_letter.offset for row in marked if row.dead_letter), "they have different keys"
    plain = frame.where(trends.is_plain(F.col("value").cast("string"))).select("offset").collect()
    assert len({row.offset for row in plain} - {row.offset for row in judged}) >= 5, (
        "valid tweets among them take the short way"
    )


def random_value(rng: Random, depth: int = 3) -> object:
    """What JSON can hold."""
    leaves = [None, True, rng.randint(-(2**60), 2**60), rng.uniform(-1, 1) * 10 ** rng.randrange(300), random_text(rng)]
    if depth and rng.random() < 0.3:
        inner = [random_value(rng, depth - 1) for _ in range(rng.randrange(4))]
        return rng.choice([inner, {random_text(rng): value for value in inner}])
    return rng.choice(leaves)


def random_message(rng: Random) -> bytes:
    """A tweet, or one of which fields are changed or missing, or other JSON; one of three is cut, or has odd bytes."""
    fields = {name: rng.choice([good, good, good, random_value(rng)]) for name, good in GOOD.items()}
    fields = {name: value for name, value in fields.items() if rng.random() < 0.95} | {"more": random_value(rng)}
    message = json.dumps(rng.choice([GOOD, fields, fields, fields, random_value(rng)]), ensure_ascii=False).encode()
    if rng.random() < 0.3:
        place = rng.randrange(len(message))
        message = message[:place] + rng.randbytes(rng.randrange(3)) + message[place + rng.randrange(4) :]
    return message


@SEEDS
def test_any_message_is_judged_as_by_the_recount(spark, seed):
    rng = Random(seed)
    assert_same(spark, [random_message(rng) for _ in range(3000)])


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
