"""Exercises of lesson 05: a delay of the watermark, and the sessions of users as a stream."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from lib.course.exercises import exercise

ALL = "0 s: 5"  # the window of second 0 with its five events
FINAL_AFTER = timedelta(seconds=120)  # a session that ended so long before the last tweet must have been emitted


@exercise
def delay(answer: int, emitted: dict[int, str]) -> str | None:
    """Whether a delay (seconds) lets the event of second 5 count, and its window be emitted by micro-batch 4.

    `emitted`: the rows of each micro-batch in append mode with that delay, such as {3: "0 s: 4"}.
    """
    if not isinstance(answer, int):
        return "a delay is a whole number of seconds, such as 7"
    if ALL in emitted[4].split(", "):
        return None
    if any(row.startswith("0 s: ") for rows in emitted.values() for row in rows.split(", ")):
        return f"with {answer} seconds the window of second 0 is final before the event of second 5 arrives"
    return f"with {answer} seconds the window of second 0 is still open in micro-batch 4, so nothing of it is emitted"


@exercise
def sessions(answer: list[tuple], values: Iterable[bytes], gap_seconds: int) -> str | None:
    """Whether the answer has the sessions (user, start, end, tweets) of all users, each once, as far as they are final.

    `values`: the tweets in JSON; a session ends when no tweet of the user follows for `gap_seconds`.
    """
    right, newest = sessions_of(values, timedelta(seconds=gap_seconds))
    if not answer:
        return "there is no session: an append query emits one only when the watermark has passed its end"
    found = [tuple(row) for row in answer]
    if any(len(row) != 4 for row in found):
        return "each session must have four values: (user, start, end, tweets)"
    if not all(isinstance(time, datetime) for row in found for time in row[1:3]):
        return "start and end must be times as Spark gives them, not texts or windows"
    if len(set(found)) < len(found):
        return "a session is in your list more than once: run the query once, and in append mode"
    if wrong := set(found) - right:
        user, start, end, tweets = min(wrong, key=str)
        if any((user, start) == (other, begin) and last != end for other, begin, last, _ in right):
            return f"the session of {user} that starts at {start} has another end: check the gap and the watermark"
        return f"there is no session of {user} from {start} to {end} with {tweets} tweet(s)"
    missing = {row for row in right - set(found) if row[2] < newest - FINAL_AFTER}
    if missing:
        return f"{len(missing)} sessions are missing that ended over two minutes before the last tweet"
    return None


def sessions_of(values: Iterable[bytes], gap: timedelta) -> tuple[set[tuple], datetime]:
    """All sessions (user, start, end, tweets) in these tweets, and the newest event time."""
    tweets = [json.loads(value) for value in values]
    times = sorted((tweet["user"], datetime.fromisoformat(tweet["created_at"][:-1])) for tweet in tweets)
    found: list[list] = []
    for user, time in times:
        if found and found[-1][0] == user and time < found[-1][2]:
            found[-1][2:] = [time + gap, found[-1][3] + 1]
        else:
            found.append([user, time, time + gap, 1])
    return {tuple(session) for session in found}, max(time for _, time in times)
