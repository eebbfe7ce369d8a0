"""The heart of the tweet's way: from Kafka messages to trending topics. DataFrame in, DataFrame out, no side effects.

The same functions serve a stream and a batch. `trending` is the whole chain; the others are its links.
"""

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# Strict where it is counted: a VARIANT keeps the JSON type, so that a number is not taken for a text.
SCHEMA = "id VARIANT, user STRING, text VARIANT, created_at STRING"
JSON_OPTIONS = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
AHEAD = "5 minutes"  # a tweet dated further ahead of Kafka's clock would make all that follow it late
HASHTAG = r"#([\p{L}\p{N}_]+)"  # Java's \w would miss most letters that are not ASCII


def trending(messages: DataFrame, window: str, slide: str, watermark: str) -> DataFrame:
    """Kafka messages to the number of tweets of each hashtag in each window: (window_start TIMESTAMP,
    window_end TIMESTAMP, hashtag STRING, tweets LONG).

    Malformed messages, late tweets and duplicates are left out, and on a stream each of them is counted in the query's
    progress. `watermark` is how long a window waits for late tweets; all three are durations such as "30 seconds".
    """
    return (
        messages.transform(parse)
        .transform(keep_tweets)
        .transform(drop_duplicates, watermark)
        .transform(hashtags)
        .transform(count_windows, window, slide)
    )


def parse(messages: DataFrame) -> DataFrame:
    """Kafka messages (value BINARY, timestamp TIMESTAMP, partition, offset, …) to (id STRING, user STRING, text STRING,
    created_at TIMESTAMP, partition INT, offset LONG, timestamp TIMESTAMP, value BINARY, reason STRING).

    `reason` says why a message is not a tweet and is null for a tweet: a JSON object in UTF-8 whose `id` and `text` are
    strings, whose `user` is there, and whose `created_at` reads like 2026-01-01T12:00:00.000Z and is at most 5 minutes
    ahead of Kafka's timestamp. As always with from_json, what follows the object is not read.
    """
    json = F.from_json(F.col("value").cast("string"), SCHEMA, JSON_OPTIONS)
    # Digits to 0 and compare: quicker than a regular expression, and as strict.
    shape = F.translate("json.created_at", "0123456789", "0000000000")
    time = F.when(
        (shape == "0000-00-00T00:00:00.000Z") & (F.col("json.created_at") >= "0001"),
        F.try_to_timestamp("json.created_at"),
    )
    return messages.select("partition", "offset", "timestamp", "value", json.alias("json")).select(
        string_field("id"),
        "json.user",
        string_field("text"),
        time.alias("created_at"),
        "partition",
        "offset",
        "timestamp",
        "value",
    ).withColumn("reason", reason())  # fmt: skip


def string_field(name: str) -> Column:
    """The JSON field as STRING; null where it is missing or of another JSON type."""
    is_string = F.schema_of_variant(f"json.{name}") == "STRING"
    return F.when(is_string, F.variant_get(f"json.{name}", "$", "string")).alias(name)


def reason() -> Column:
    """Why a parsed message is not a tweet, or null."""
    return (
        F.when(F.col("value").isNull(), "no value")
        .when(~F.is_valid_utf8(F.col("value").cast("string")), "not UTF-8")
        .when(F.col("id").isNull() & F.col("user").isNull() & F.col("text").isNull(), "not a tweet's JSON object")
        .when(F.col("id").isNull(), "id is missing or not a string")
        .when(F.col("user").isNull(), "user is missing")
        .when(F.col("text").isNull(), "text is missing or not a string")
        .when(F.col("created_at").isNull(), "created_at is missing or not a time like 2026-01-01T12:00:00.000Z")
        .when(
            F.col("created_at") > F.col("timestamp") + F.expr(f"INTERVAL {AHEAD}"), f"created_at is over {AHEAD} ahead"
        )
    )


def keep_tweets(parsed: DataFrame) -> DataFrame:
    """The tweets among parsed messages; a stream's progress tells as `arrived` how many messages came, how many were
    malformed, the newest event time, and when Kafka got the newest message."""
    is_tweet = F.col("reason").isNull()
    observed = parsed.observe(
        "arrived",
        F.count(F.lit(1)).alias("received"),
        F.count_if(~is_tweet).alias("malformed"),
        F.max(F.when(is_tweet, F.unix_millis("created_at"))).alias("newest_ms"),
        F.max(F.unix_millis("timestamp")).alias("sent_ms"),
    )
    return observed.where(is_tweet)


def keep_malformed(parsed: DataFrame) -> DataFrame:
    """The messages that are no tweets: (partition INT, offset LONG, timestamp TIMESTAMP, reason STRING, value)."""
    return parsed.where(F.col("reason").isNotNull()).select("partition", "offset", "timestamp", "reason", "value")


def drop_duplicates(tweets: DataFrame, watermark: str) -> DataFrame:
    """Each tweet once, by its id; a stream drops here what is later than the watermark too, and tells as `kept` how
    many are left. An id is remembered for as long as a tweet with it would not be late."""
    if tweets.isStreaming:
        once = tweets.withWatermark("created_at", watermark).dropDuplicatesWithinWatermark(["id"])
    else:  # a batch has all tweets before it: nothing is late, and no id need be forgotten
        once = tweets.dropDuplicates(["id"])
    return once.observe("kept", F.count(F.lit(1)).alias("counted"))


def hashtags(tweets: DataFrame) -> DataFrame:
    """A row for each different hashtag of each tweet: (created_at TIMESTAMP, hashtag STRING, lower case, without #)."""
    found = F.regexp_extract_all("text", F.lit(HASHTAG), F.lit(1))
    return tweets.select("created_at", F.explode(F.array_distinct(F.transform(found, F.lower))).alias("hashtag"))


def count_windows(hashtags: DataFrame, window: str, slide: str) -> DataFrame:
    """The number of tweets in each window of event time: (window_start, window_end, hashtag, tweets)."""
    counted = hashtags.groupBy(F.window("created_at", window, slide).alias("window"), "hashtag").count()
    return counted.select(
        F.col("window.start").alias("window_start"),
        F.col("window.end").alias("window_end"),
        "hashtag",
        F.col("count").alias("tweets"),
    )


def largest_on_record(written: DataFrame) -> DataFrame:
    """A window's count from all that batches wrote of it, replayed ones too: counts never shrink, so the largest."""
    return written.groupBy("window_start", "window_end", "hashtag").agg(F.max("tweets").alias("tweets"))


TREND_WINDOWS = 12
RANKING = ["rank", "hashtag", "tweets", "share", "change", "is_new", "trend", "window_start", "window_end"]


def ranking(counts: pd.DataFrame, newest: pd.Timestamp, top: int, slide: pd.Timedelta) -> pd.DataFrame:
    """The trending topics: the `top` hashtags of the newest complete window, which is the last whose end is not after
    the newest event time. A window still filling would always seem to fall.

    `counts` is (window_start, window_end, hashtag, tweets), one row a window and hashtag. Returned are the columns
    RANKING, one row a hashtag, most tweets first and then by name: `share` is of all hashtags in the window, 0 to 1;
    `change` is against the window before, one `slide` earlier; `is_new` says that the hashtag was not in it; `trend`
    lists the tweets in the last 12 windows, the oldest first.
    """
    complete = counts.loc[counts["window_end"] <= newest, "window_end"]
    if complete.empty:
        return pd.DataFrame(columns=RANKING)
    ends = [complete.max() - slide * back for back in reversed(range(TREND_WINDOWS))]
    history = counts.pivot(index="hashtag", columns="window_end", values="tweets")
    history = history.reindex(columns=ends).fillna(0).astype(int)
    now = history[ends[-1]]
    now = now[now > 0].sort_index().sort_values(ascending=False, kind="stable")
    ranked = now.head(top).rename("tweets").reset_index()
    past = ranked["hashtag"].map(history[ends[-2]])
    ranked["rank"] = ranked.index + 1
    ranked["share"] = ranked["tweets"] / now.sum()
    ranked["change"] = ranked["tweets"] - past
    ranked["is_new"] = past == 0
    ranked["trend"] = [history.loc[hashtag].tolist() for hashtag in ranked["hashtag"]]
    ranked["window_start"] = counts.loc[counts["window_end"] == ends[-1], "window_start"].iloc[0]
    ranked["window_end"] = ends[-1]
    return ranked[RANKING]


def to_dict(counts: pd.DataFrame) -> dict[tuple[int, str], int]:
    """{(window start in ms since 1970, hashtag): tweets} of (window_start, window_end, hashtag, tweets)."""
    starts = counts["window_start"].to_numpy("datetime64[ms]").astype("int64")
    return dict(zip(zip(starts, counts["hashtag"], strict=True), counts["tweets"], strict=True))
