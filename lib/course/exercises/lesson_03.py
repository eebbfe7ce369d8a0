"""Exercises of lesson 03: the windows of a tweet, a delay, and a query from readStream to writeStream."""

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
def delay(answer: str, event: str, handed_on: dict[int, str], batch: int) -> str | None:
    """Whether, with the chosen delay, micro-batch `batch` handed on the row `event`."""
    if event in handed_on[batch]:
        return None
    earlier = event.rsplit(" ", 1)[0]
    if any(earlier in rows for rows in handed_on.values()):
        return f"with {answer} the window was final too early: the late event is not in it"
    return f"with {answer} the window is not final in micro-batch {batch}: nothing of it was handed on"


@exercise
def own_query(database: Path, events: list[str], window_seconds: int) -> str | None:
    """Whether the table `mine` of an SQLite file has each (window_start, hashtag) once, with its number of tweets.

    `events`: what is in the topic, each the second after 12:00:00 and the hashtag, such as "05 kafka".
    """
    expected = Counter()
    for event in events:
        second, hashtag = event.split()
        start = int(second) // window_seconds * window_seconds
        expected[f"2026-01-01 12:00:{start:02}", hashtag] += 1
    if not Path(database).exists():
        return f"there is no file {Path(database).name}"
    with closing(sqlite3.connect(database)) as connection:
        try:
            rows = connection.execute("SELECT window_start, hashtag, tweets FROM mine").fetchall()
        except sqlite3.OperationalError as error:
            return f"the table mine cannot be read: {error}"
    if not rows:
        return "the table mine is empty: was the query started, and did it end without an error?"
    found = {(str(start)[:19], hashtag): tweets for start, hashtag, tweets in rows}
    if len(found) < len(rows):
        return (
            f"{len(rows) - len(found)} windows of a hashtag stand in it more than once: update mode hands on a window "
            "again each time it changes, and the newer row has to replace the older one"
        )
    if missing := expected.keys() - found.keys():
        return f"{len(missing)} of {len(expected)} windows of a hashtag are missing, such as {min(missing)}"
    if extra := found.keys() - expected.keys():
        return f"{len(extra)} windows of a hashtag are too many, such as {min(extra)}"
    for key, tweets in sorted(expected.items()):
        if found[key] != tweets:
            return f"{key} has {found[key]} tweets, and should have {tweets}"
    return None
