"""Exercises of lesson 03: the windows of a tweet, and a query from readStream to writeStream."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pandas as pd

from lib import recount
from lib.course.exercises import exercise


def clock(ms: int) -> str:
    """A time of day (ms) as "12:00:30"; a time before midnight is on the day before."""
    return pd.Timestamp(ms, unit="ms").strftime("%H:%M:%S")


@exercise
def window_starts(answer: list[str], time: str, window: str, slide: str) -> str | None:
    """Whether the answer has the starts ("12:00:00") of all windows that the time lies in, in any order."""
    at, length, step = (pd.Timedelta(text) // pd.Timedelta("1ms") for text in (time, window, slide))
    right = {clock(start) for start in recount.window_starts(at, length, step)}
    found = set(answer)
    if found == right and len(answer) == len(right):
        return None
    if clock(at - length) in found:
        return f"the window of {clock(at - length)} ends exactly at {time}, and a window is without its end"
    if time in right - found:
        return f"a window begins exactly at {time}, and a window includes its start"
    if wrong := found - right:
        return f"the windows begin every {slide}; the one of {sorted(wrong)[0]} does not have {time} in it"
    return f"each moment lies in {len(right)} windows; you have {len(answer)}"


@exercise
def own_query(database: Path, events: list[str], window_seconds: int) -> str | None:
    """Whether the table `mine` of an SQLite file has each (window_start, hashtag) once, with its number of tweets.

    `events`: what is in the topic, each the second after 12:00:00 and the hashtag, such as "05 kafka".
    """
    if not Path(database).exists():
        return f"there is no file {Path(database).name}"
    with closing(sqlite3.connect(database)) as connection:
        try:
            rows = connection.execute("SELECT window_start, hashtag, tweets FROM mine").fetchall()
        except sqlite3.OperationalError as error:
            return f"the table mine cannot be read: {error}"
    if not rows:
        return "the table mine is empty: was the query started, and did it end without an error?"
    found = {(str(start)[:19].replace("T", " "), hashtag): tweets for start, hashtag, tweets in rows}
    if len(found) < len(rows):
        return (
            f"{len(rows) - len(found)} rows have a window and hashtag that another row has too: update mode emits a "
            "window again each time it changes, and the newer row has to replace the older one"
        )
    return differing(found, counts(events, window_seconds))


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
    if missing := expected.keys() - found.keys():
        return f"{len(missing)} of {len(expected)} windows of a hashtag are missing, such as {min(missing)}"
    if extra := found.keys() - expected.keys():
        return f"{len(extra)} windows of a hashtag are too many, such as {min(extra)}"
    for key, tweets in sorted(expected.items()):
        if found[key] > tweets:
            return (
                f"{key} has the count {found[key]}, which is too high: update mode emits a window's whole count, not what "
                "was added to it; or the topic was counted twice into the same table"
            )
        if found[key] != tweets:
            return f"{key} has the count {found[key]}, which is too low: the table must keep the newest count"
    return None


def seconds(counts: dict[tuple[str, str], int]) -> set[tuple[str, str]]:
    """The keys, of a window's start only the seconds."""
    return {(start[17:], hashtag) for start, hashtag in counts}
