"""Exercises of lesson 03: the windows of a tweet, and a query from readStream to writeStream."""

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pandas as pd

from lib import recount
from lib.course.exercises import exercise

KEY = {"window_start", "hashtag"}


def clock(ms: int) -> str:
    """A time of day (ms) as "12:00:30"; a time before midnight is on the day before."""
    return pd.Timestamp(ms, unit="ms").strftime("%H:%M:%S")


@exercise
def window_starts(answer: list[str], time: str, window: str, slide: str) -> str | None:
    """Whether the answer has the starts ("12:00:00") of all windows that the time lies in, in any order."""
    if not isinstance(answer, list | tuple | set):
        return 'the answer has to be a list of texts, such as ["12:00:00"]'
    if wrong := [start for start in answer if not re.fullmatch(r"\d\d:\d\d:\d\d", str(start))]:
        return f'{wrong[0]!r} has to be a time of day with seconds, in the form "12:00:00"'
    at, length, step = (pd.Timedelta(text) // pd.Timedelta("1ms") for text in (time, window, slide))
    right = {clock(start) for start in recount.window_starts(at, length, step)}
    found = set(answer)
    if found == right and len(answer) == len(right):
        return None
    if clock(at - length) in found:
        return f"the window of {clock(at - length)} ends exactly at {time}, and a window excludes its end"
    if time in right - found:
        return f"a window begins exactly at {time}, and a window includes its start"
    if wrong := found - right:
        return f"the windows begin every {slide}; the one of {sorted(wrong)[0]} does not have {time} in it"
    return f"each moment lies in {len(right)} windows; you have {len(answer)}"


@exercise
def own_query(database: Path, events: list[str], window_seconds: int) -> str | None:
    """Whether the table `mine` of an SQLite file has each (window_start, hashtag) once, with its number of tweets, and
    a key that keeps it so.

    `events`: what is in the topic, each the second after 12:00:00 and the hashtag, such as "05 kafka".
    """
    if not Path(database).exists():
        return f"there is no file {Path(database).name}"
    with closing(sqlite3.connect(database)) as connection:
        try:
            rows = connection.execute("SELECT window_start, hashtag, tweets FROM mine").fetchall()
        except sqlite3.OperationalError as error:
            return f"the table mine cannot be read: {error}"
        keys = unique_columns(connection, "mine")
    if not rows:
        return (
            "the table mine is empty. Does the stream begin at the earliest offset, did you wait until the query "
            "ended, and was the write committed?"
        )
    if short := [key for key in keys if key < KEY]:
        return f"the key of mine is {', '.join(short[0])}. Can two rows of the result have the same {min(short[0])}?"
    found = {(str(start)[:19].replace("T", " "), hashtag): tweets for start, hashtag, tweets in rows}
    if len(found) < len(rows):
        return (
            f"{len(rows) - len(found)} rows have a window and hashtag that another row has too: a window is emitted "
            "again when it changes, and the newer row has to replace the older one"
        )
    if hint := differing(found, counts(events, window_seconds)):
        return hint
    if KEY not in keys:
        return "the counts are right, but the table lacks a key. What if Spark writes the same micro-batch once more?"
    return None


def unique_columns(connection: sqlite3.Connection, table: str) -> list[set[str]]:
    """The columns of each key of a table: its primary key and its unique indexes."""
    primary = {name.lower() for _, name, *_, position in connection.execute(f"PRAGMA table_info({table})") if position}
    indexes = connection.execute(f"PRAGMA index_list({table})").fetchall()
    unique = [
        {str(column).lower() for *_, column in connection.execute(f'PRAGMA index_info("{name}")')}
        for _, name, is_unique, _, is_partial in indexes
        if is_unique and not is_partial
    ]
    return [primary, *unique] if primary else unique


def counts(events: list[str], window_seconds: int) -> Counter:
    """{(window_start, hashtag): tweets} in tumbling windows."""
    result = Counter()
    for event in events:
        second, hashtag = event.split()
        start = int(second) // window_seconds * window_seconds
        result[f"2026-01-01 12:00:{start:02}", hashtag] += 1
    return result


def differing(found: dict[tuple[str, str], int], expected: Counter) -> str | None:
    """A hint for the first difference between two counts by (window_start, hashtag), or None."""
    if found.keys() != expected.keys() and seconds(found) == seconds(expected):
        return (
            f"the windows start at another time of day, such as {min(found)}: collect() turns a time into this "
            "machine's time zone, so make it a text before, in Spark"
        )
    if not found.keys() & expected.keys():
        start, hashtag = min(found, key=str)
        return (
            f"no row has a window and hashtag of the result. One of yours has the window_start {start!r} and the "
            f"hashtag {hashtag!r}: are the columns in the right order, and is window_start a text with date and time?"
        )
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    if (missing or extra) and sum(found.values()) == expected.total():
        return (
            f"each tweet is in one window, but some in another one, such as {min(missing | extra)}. How long are yours?"
        )
    if missing:
        return f"{len(missing)} of {len(expected)} windows of a hashtag are missing, such as {min(missing)}"
    if extra:
        return f"{len(extra)} windows of a hashtag are too many, such as {min(extra)}"
    for key, tweets in sorted(expected.items()):
        if found[key] > tweets:
            return (
                f"{key} has the count {found[key]}, which is too high: Spark emits a window's whole count, not what "
                "was added to it; or the topic was counted twice into the same table"
            )
        if found[key] != tweets:
            return f"{key} has the count {found[key]}, which is too low: the table must keep the newest count"
    return None


def seconds(counts: dict[tuple[str, str], int]) -> set[tuple[str, str]]:
    """The keys, of a window's start only the seconds."""
    return {(start[17:], hashtag) for start, hashtag in counts}
