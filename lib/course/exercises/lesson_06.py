"""Exercises of lesson 06: predict a kill, choose a sink for a demand, and repair a topic with poison messages."""

import json
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral

from lib import tweets
from lib.course.exercises import exercise
from lib.recount import parse
from lib.topics import Record

SHOWN = 60  # bytes of a message that a hint shows


def poisoned(count: int, seed: int) -> list[bytes]:
    """Tweets, of which two programs have spoiled some: one wrote UTF-16, the other one JSON within JSON."""
    values = [message.value for message in tweets.stream(count, seed)]
    for number, value in enumerate(values):
        if number % 10 == 3:
            values[number] = value.decode().encode("utf-16")
        elif number % 15 == 7:
            values[number] = json.dumps(value.decode()).encode()
    return values


@exercise
def kills(predicted: Mapping, chosen: tuple[str, str], sinks: Iterable[str], kill: Callable) -> str | None:
    """Whether a prediction and a choice are right, as real kills show it.

    `predicted`: {sink: (missing, surplus)} after a kill within the write. `chosen`: a sink that never writes twice and
    needs no key, and the moment of a kill that shows it. `kill(sink, moment)` kills a consumer and starts it again, and
    returns missing, surplus, and more.
    """
    if hint := prediction(predicted, list(sinks), kill):
        return hint
    return "your prediction is right: now choose a sink and a moment" if chosen is ... else demand(chosen, kill)


def prediction(answer: Mapping, sinks: list[str], kill: Callable) -> str | None:
    """What is wrong with a prediction."""
    if not isinstance(answer, Mapping) or set(answer) != set(sinks):
        return f"give a dictionary with the keys {', '.join(map(repr, sinks))}"
    for sink in sinks:
        pair = answer[sink]
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(n, Integral) for n in pair):
            return f"the prediction for {sink!r} has to be two whole numbers: (missing, surplus)"
    for sink in sinks:
        missing, surplus, *_ = kill(sink, "within the write")
        if tuple(answer[sink]) != (missing, surplus):
            wrong = "missing" if answer[sink][0] != missing else "surplus"
            return (
                f"the kill shows another number of {wrong} tweets for {sink!r}. Which rows are in the table when the "
                "process dies, and with which batch does the next one begin?"
            )
    return None


def demand(answer: tuple[str, str], kill: Callable) -> str | None:
    """What is wrong with a choice."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return "give a sink and a moment, such as ('at least once', 'before both')"
    sink, moment = answer
    missing, surplus, *_ = kill(sink, moment)
    if surplus:
        return f"this kill shows that {surplus} people get their message twice"
    if sink == "effectively once":
        return "this sink replaces a row that has the same key. Can the second message replace the first on a phone?"
    if not missing:
        return (
            f"after a kill {moment} nothing is missing and nothing is surplus. All three sinks pass this test: at "
            "which moment do they differ?"
        )
    return None


@exercise
def repaired(records: Iterable[Record], count: int, seed: int) -> str | None:
    """Whether the records of a topic with one partition, filled by `poisoned`, have each of the tweets in good form."""
    records = sorted(records, key=lambda record: record.offset)
    newest = records[-1].timestamp
    healthy = [parse(Record(0, 0, newest, None, value)) for _, value in tweets.stream(count, seed)]
    found = {parse(record) for record in records}
    if foreign := found - {*healthy, None}:
        text = min(tweet.text for tweet in foreign)
        return f"the topic has a tweet that nobody has sent, {text[:SHOWN]!r}: repair only what is wrong"
    missing = [number for number, tweet in enumerate(healthy) if tweet not in found]
    if not missing:
        return None
    last = records[-1]
    if last.offset >= len(healthy) and parse(last) is None:
        return f"your message at offset {last.offset} cannot be read either: {last.value[:SHOWN]!r}"
    return (
        f"{len(missing)} of {len(healthy)} tweets are missing. The first one is at offset {missing[0]}: "
        f"{records[missing[0]].value[:SHOWN]!r}"
    )
