"""Exercises of lesson 04: a rule that finds bursts, with a threshold that is defended, and tweets by language."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Integral
from typing import NamedTuple

import pandas as pd

from lib.course.exercises import exercise
from lib.recount import Tweet, parse
from lib.topics import Record
from lib.tweets import BURST_EVERY, burst
from lib.tweets.vocabulary import HASHTAGS

SHARE = 0.9  # of the bursts that must be found, and of the flagged windows that must be near one
NEAR = pd.Timedelta("20s")  # how far a window near a burst may begin from it
BURST = pd.Timedelta("30s")
LARGEST = 5  # hashtags that the generator never lets burst
EXAMPLES = 3  # false alarms or missed bursts that a hint names


def planned(seed: int, start: pd.Timestamp, last: pd.Timestamp) -> list[tuple[pd.Timestamp, str]]:
    """(beginning, hashtag) of each burst of the generator up to `last`; the first ones began before `start`."""
    every = pd.Timedelta(seconds=BURST_EVERY)
    slots = range(-(BURST // every), (last - start) // every + 1)
    return [(start + slot * every, HASHTAGS[burst(seed, slot)][0].lower()) for slot in slots]


class Outcome(NamedTuple):
    """How good a rule is: the share of the bursts that it finds, the share of the windows that it flags which are near
    a burst, the grid of its false alarms, and the bursts (beginning, hashtag) that it misses."""

    recall: float
    precision: float
    false_alarms: pd.DataFrame
    missed: list[tuple[pd.Timestamp, str]]


def outcome(flagged: pd.DataFrame, seed: int, start: pd.Timestamp) -> Outcome:
    """How good a rule is that flags windows. A burst is found if a window near it is flagged. Bursts that began before
    `start` need not be found."""
    near, found, missed = flagged & False, [], []
    for begin, hashtag in planned(seed, start, flagged.index[-1]):
        close = slice(begin - NEAR, begin + NEAR)
        near.loc[close, hashtag] = True
        if begin >= start:
            (found if flagged.loc[close, hashtag].any() else missed).append((begin, hashtag))
    recall = len(found) / (len(found) + len(missed))
    false_alarms, flags = flagged & ~near, flagged.to_numpy().sum()
    return Outcome(recall, 1 - false_alarms.to_numpy().sum() / flags if flags else 0.0, false_alarms, missed)


@exercise
def bursts(thresholds: tuple, rule: Callable, per_window: pd.DataFrame, seed: int, start: pd.Timestamp) -> str | None:
    """Whether a rule finds the bursts, and little else, at a threshold that two others defend.

    `rule(threshold)`: True for each (window start, hashtag) that it flags, in the shape of `per_window`. `thresholds`:
    one with too many false alarms, the chosen one, and one with which too few bursts are found.
    """
    if not isinstance(thresholds, Collection) or len(thresholds) != 3:
        return "give three thresholds: the low one, the one that you choose, and the high one"
    low, chosen, high = thresholds
    if not low < chosen < high:
        return "the three thresholds should rise: the low one, the one that you choose, and the high one"
    flagged = {}
    for threshold in thresholds:
        flagged[threshold] = rule(threshold)
        if hint := shape(flagged[threshold], per_window):
            return hint
    if not flagged[chosen].to_numpy().any():
        return f"with {chosen} your rule flags no window at all"
    if flagged[low].equals(flagged[chosen]):
        return f"with {low} and with {chosen} your rule flags the same windows: see that it uses its threshold"
    if flagged[high].to_numpy().sum() > flagged[low].to_numpy().sum():
        return f"with {high} your rule flags more windows than with {low}: does it flag high counts, and not low ones?"
    return good(flagged[chosen], chosen, seed, start) or defended(flagged, low, high, seed, start)


def shape(flagged: object, per_window: pd.DataFrame) -> str | None:
    """What is wrong with the form of a rule's answer."""
    if flagged is ...:
        return "your function still returns three dots"
    if not isinstance(flagged, pd.DataFrame) or not flagged.dtypes.eq(bool).all():
        return "your function should return a grid of nothing but True and False, such as per_window >= 100"
    if not (flagged.index.equals(per_window.index) and set(flagged) == set(per_window)):
        return "the grid that your function returns should have the windows and the hashtags of per_window"
    return None


def good(flagged: pd.DataFrame, threshold: float, seed: int, start: pd.Timestamp) -> str | None:
    """What is wrong with a rule at the threshold that was chosen."""
    recall, precision, false, missed = outcome(flagged, seed, start)
    if precision >= SHARE and recall >= SHARE:
        return None
    told = [f"with {threshold} the recall is {recall:.0%} and the precision {precision:.0%}"]
    if precision < SHARE:
        alarms = false.sum().nlargest(EXAMPLES)
        first = [(false[hashtag].idxmax(), hashtag) for hashtag in alarms[alarms > 0].index]
        told.append(f"False alarms, for example: {listed(first)}")
        largest = [hashtag.lower() for hashtag, _ in HASHTAGS[:LARGEST]]
        if false[false.columns.intersection(largest)].to_numpy().sum() > false.to_numpy().sum() / 2:
            told.append("Most are of large hashtags: a high count for a small hashtag is a low one for these")
    if recall < SHARE:
        told.append(f"Missed bursts, for example: {listed(missed[:: -(-len(missed) // EXAMPLES)])}")
    return ". ".join([*told, "Plot one of these hashtags, and look at its counts at that time"])


def listed(windows: list[tuple[pd.Timestamp, str]]) -> str:
    return ", ".join(f"{hashtag} at {begin:%H:%M:%S}" for begin, hashtag in windows)


def defended(flagged: dict, low: float, high: float, seed: int, start: pd.Timestamp) -> str | None:
    """What is wrong with the two thresholds that should show where the rule fails."""
    precision = outcome(flagged[low], seed, start).precision
    if precision >= SHARE:
        return (
            f"your choice is good, but with {low} the precision is still {precision:.0%}: go lower to defend it. "
            "If this changes nothing, a fixed part of your rule decides: let the threshold control every part"
        )
    recall = outcome(flagged[high], seed, start).recall
    if recall >= SHARE:
        return f"your choice is good, but with {high} the recall is still {recall:.0%}: go higher to defend it"
    return None


@exercise
def by_language(answer: Mapping, records: Iterable[Record], late: Collection[Tweet]) -> str | None:
    """Whether the answer is {language: tweets}, late ones included, each tweet once. `late` are the ones that the
    stream dropped."""
    valid = [(tweet, json.loads(record.value)["lang"]) for record in records if (tweet := parse(record))]
    right = Counter(dict(valid).values())
    answer = answer.to_dict() if isinstance(answer, pd.Series) else answer
    if not isinstance(answer, Mapping) or not all(isinstance(count, Integral) for count in answer.values()):
        return 'give a dictionary of a number for each language, such as {"en": 10, "es": 20}'
    if quoted := [key for key in answer if isinstance(key, str) and key not in right and key.strip("\"'") in right]:
        return f"the key {quoted[0]} has quotation marks inside: use the language without them"
    if unknown := answer.keys() - right.keys():
        return f"{sorted(map(str, unknown))} is no language of a valid tweet: some messages are malformed"
    total, expected = sum(answer.values()), right.total()
    told = f"your numbers add up to {total:,}"
    if total == len(valid):
        return f"{told}: a tweet that was sent twice counts once"
    if total == expected - len(set(late)):
        return f"{told}: the late tweets are missing"
    if total > expected:
        return f"{told}, more than there are valid tweets: some messages are malformed, and some tweets were sent twice"
    if total < expected:
        return f"{told}, fewer than the batch job counted"
    return None if answer == right else "the sum is right, but not the split: take each tweet's own field lang"
