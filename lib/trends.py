"""Spark transformations from Kafka messages to hashtag counts by window: DataFrame in, DataFrame out, no side effects.

The same functions serve a stream and a batch. `trending` is the whole chain; `trending_and_dead_letters` is what the
consumer runs. The others are their steps.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lib.query import AHEAD_SECONDS, TrendQuery

TWEET = ["id", "text", "created_at"]  # the same in all three: the same tweet
# What the de-duplication compares, and remembers. RocksDB sorts keys by their bytes: with the second first, tweets that
# are written, looked up and forgotten together lie side by side. At most four names: Spark makes a set of them, which
# keeps the order of four. Without the event time among them nothing would be forgotten.
KEY = ["second", *TWEET]
# A VARIANT keeps the JSON type, so that a number is not accepted as a text.
SCHEMA = "id VARIANT, user STRING, text VARIANT, created_at STRING"
JSON_OPTIONS = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
HASHTAG = r"#([\p{L}\p{M}\p{N}_]+)"  # Java's \w matches ASCII letters only
# In JSON, without escapes. U+FFFD is left out, because Java decodes to it what is not UTF-8: whatever fits is in UTF-8.
STRING = r'"[ !#-\[\]-\x{FFFC}\x{10000}-\x{10FFFF}]*+"'
TIME = r"(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
# Exactly the fields that lib.tweets sends, in its order: such a tweet is cut at its quotes. Others are parsed by
# from_json, which takes several times longer.
PLAIN = (
    rf'^\{{"id":{STRING},"user":{STRING},"text":{STRING},"lang":{STRING},"created_at":"{TIME}",'
    r'"retweets":(0|[1-9]\d{0,8})\}\z'
)


def trending(messages: DataFrame, query: TrendQuery) -> DataFrame:
    """Kafka messages to the number of tweets of each hashtag in each window: (window_start TIMESTAMP,
    window_end TIMESTAMP, hashtag STRING, tweets LONG).

    Malformed messages, late tweets and duplicates are dropped; on a stream the query's progress counts each of them.
    """
    return (
        messages.transform(parse)
        .transform(keep_tweets)
        .transform(drop_duplicates, query.watermark)
        .transform(hashtags)
        .transform(count_windows, query.window, query.slide)
    )


def trending_and_dead_letters(messages: DataFrame, query: TrendQuery) -> DataFrame:
    """A stream of Kafka messages to the rows of `trending`, and one more for each malformed message, of which only the
    column dead_letter (see `mark_dead_letters`) is not null.

    Each message is read and parsed once, although there are two results. Both begin with the same shuffle, and Spark
    executes equal shuffles once (ReusedExchange in its plan). They are equal because both need every column: they read
    dead_letter, and all others are keys of the shuffle. `observe` keeps Spark from moving a filter, or a choice of
    fields, before one of them.
    """
    both = messages.transform(parse).transform(mark_dead_letters).withWatermark("created_at", query.watermark)
    both = both.transform(shuffle)
    counts = (
        both.transform(keep_tweets, "dead_letter")
        .transform(first_of_each)
        .transform(hashtags)
        .transform(count_windows, query.window, query.slide)
    )
    letters = both.observe("dead_letters", F.count("dead_letter").alias("messages")).where("dead_letter IS NOT NULL")
    return counts.unionByName(letters.select("dead_letter"), allowMissingColumns=True)


def parse(messages: DataFrame) -> DataFrame:
    """Kafka messages (value BINARY, timestamp TIMESTAMP, partition, offset, …) to (id STRING, user STRING, text STRING,
    created_at TIMESTAMP, partition INT, offset LONG, timestamp TIMESTAMP, value BINARY, reason STRING).

    `reason` says why a message is malformed, and is null for a tweet: a JSON object in UTF-8 whose `id` and `text` are
    strings, which has a `user`, and whose `created_at` has the form 2026-01-01T12:00:00.000Z and is at most 10 seconds
    ahead of Kafka's timestamp. from_json ignores what follows the object.
    """
    text, plain = F.col("text"), F.col("plain")
    columns = messages.select("partition", "offset", "timestamp", "value", F.col("value").cast("string").alias("text"))
    fields = columns.withColumn("plain", is_plain(text)).withColumn(
        "json", F.when(~plain, F.from_json(text, SCHEMA, JSON_OPTIONS))
    )
    time = F.when(F.col("json.created_at").rlike(rf"^{TIME}\z"), F.col("json.created_at"))
    return fields.select(
        F.when(plain, quoted(text, 2)).otherwise(string_field("json.id")).alias("id"),
        F.when(plain, quoted(text, 4)).otherwise(F.col("json.user")).alias("user"),
        F.when(plain, quoted(text, 6)).otherwise(string_field("json.text")).alias("text"),
        F.try_to_timestamp(F.when(plain, plain_time(text)).otherwise(time)).alias("created_at"),
        "partition",
        "offset",
        "timestamp",
        "value",
        "plain",
    ).withColumn("reason", reason()).drop("plain")  # fmt: skip


def is_plain(text: Column) -> Column:
    """Whether a message has the form PLAIN: it is in UTF-8, and a JSON object with a tweet's fields."""
    return F.coalesce(text.rlike(PLAIN), F.lit(False))


def quoted(text: Column, number: int) -> Column:
    """The string of that number, from 1, between quotes in a text without escapes."""
    return F.substring_index(F.substring_index(text, '"', 2 * number), '"', -1)


def plain_time(text: Column) -> Column:
    """`created_at` of a message in the form PLAIN: the 24 characters after its fourth quote from the end."""
    return F.substring(F.substring_index(text, '"', -4), 1, 24)


def string_field(name: str) -> Column:
    """The JSON field as STRING; null if it is missing or of another JSON type."""
    is_string = F.schema_of_variant(name) == "STRING"
    return F.when(is_string, F.variant_get(name, "$", "string"))


def reason() -> Column:
    """Why a parsed message is not a valid tweet, or null.

    In the form PLAIN only its time can be wrong.
    """
    created_at = F.col("created_at")
    of_fields = (
        F.when(F.col("value").isNull(), "no value")
        .when(~F.is_valid_utf8(F.col("value").cast("string")), "not UTF-8")
        .when(F.col("id").isNull() & F.col("user").isNull() & F.col("text").isNull(), "not a tweet's JSON object")
        .when(F.col("id").isNull(), "id is missing or not a string")
        .when(F.col("user").isNull(), "user is missing")
        .when(F.col("text").isNull(), "text is missing or not a string")
    )
    return F.coalesce(
        F.when(~F.col("plain"), of_fields),
        F.when(created_at.isNull(), "created_at is missing or not a time like 2026-01-01T12:00:00.000Z"),
        F.when(is_ahead(created_at), f"from the future: over {AHEAD_SECONDS} s ahead"),
    )


def is_ahead(created_at: Column) -> Column:
    """Whether an event time is too far ahead of Kafka's timestamp."""
    return F.unix_micros(created_at) > F.unix_micros("timestamp") + AHEAD_SECONDS * 1_000_000


def keep_tweets(parsed: DataFrame, malformed: str = "reason") -> DataFrame:
    """The tweets among parsed messages: the rows whose column `malformed` is null.

    A stream's progress reports as `arrived` how many messages were received, how many were malformed, and the newest
    event time (ms).
    """
    is_tweet = F.col(malformed).isNull()
    observed = parsed.observe(
        "arrived",
        F.count(F.lit(1)).alias("received"),
        F.count_if(~is_tweet).alias("malformed"),
        F.max(F.when(is_tweet, F.unix_millis("created_at"))).alias("newest_ms"),
    )
    return observed.where(is_tweet)


def mark_dead_letters(parsed: DataFrame) -> DataFrame:
    """What is needed of parsed messages: (second LONG, id STRING, text STRING, created_at TIMESTAMP, dead_letter
    STRUCT<partition INT, offset LONG, timestamp TIMESTAMP, reason STRING, value BINARY>).

    Of a tweet, dead_letter is null. Of a malformed message created_at is null, so that its time does not move the
    watermark, and second is its offset: else those without id and text would all be shuffled to one partition.
    """
    malformed = F.col("reason").isNotNull()
    letter = F.struct("partition", "offset", "timestamp", "reason", "value")
    return parsed.select(
        F.when(malformed, F.col("offset")).otherwise(second()).alias("second"),
        "id",
        "text",
        F.when(~malformed, F.col("created_at")).alias("created_at"),
        F.when(malformed, letter).alias("dead_letter"),
    )


def second() -> Column:
    """The second of a tweet's event time: seconds since 1970."""
    return F.unix_seconds("created_at")


def shuffle(rows: DataFrame) -> DataFrame:
    """The same tweets to the same partition, as `first_of_each` needs them: it adds no second shuffle then."""
    return rows.repartition(*KEY)


def drop_duplicates(tweets: DataFrame, watermark: str) -> DataFrame:
    """Each tweet once; a stream also drops late tweets here, and reports as `kept` how many are left.

    A duplicate is the same tweet again: its id, text and time. An id alone would leave open which of two different
    tweets stays, and let a stranger who guesses ids silence others. A stream remembers a tweet until the watermark has
    passed its time: the same tweet would be late then.
    """
    return tweets.withColumn("second", second()).withWatermark("created_at", watermark).transform(first_of_each)


def first_of_each(tweets: DataFrame) -> DataFrame:
    """The first row of each KEY. A stream needs a watermark."""
    return tweets.dropDuplicates(KEY).observe("kept", F.count(F.lit(1)).alias("counted"))


def hashtags(tweets: DataFrame) -> DataFrame:
    """A row for each different hashtag of each tweet: (created_at TIMESTAMP, hashtag STRING, see `folded`)."""
    found = F.regexp_extract_all("text", F.lit(HASHTAG), F.lit(1))
    return tweets.select("created_at", F.explode(F.array_distinct(F.transform(found, folded))).alias("hashtag"))


def folded(hashtag: Column) -> Column:
    """A hashtag as it is counted: in lower case, and with σ for ς. Java and Python differ on which of the two stands
    for Σ within a word."""
    return F.replace(F.lower(hashtag), F.lit("ς"), F.lit("σ"))


def count_windows(hashtags: DataFrame, window: str, slide: str) -> DataFrame:
    """The number of tweets in each window of event time: (window_start, window_end, hashtag, tweets)."""
    counted = hashtags.groupBy(F.window("created_at", window, slide).alias("window"), "hashtag").count()
    return counted.select(
        F.col("window.start").alias("window_start"),
        F.col("window.end").alias("window_end"),
        "hashtag",
        F.col("count").alias("tweets"),
    )
