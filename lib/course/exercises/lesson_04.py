"""Exercises of lesson 04: a rule that finds bursts, and how much late tweets matter."""

import pandas as pd

from lib.course.exercises import exercise

SHARE = 0.9  # of the bursts that must be found, and of the findings that must be near one


@exercise
def bursts(
    flagged: pd.DataFrame, began: list[tuple[pd.Timestamp, str]], start: pd.Timestamp, near: pd.Timedelta
) -> str | None:
    """Whether a rule finds the bursts, and little else.

    `flagged`: True for each (window start, hashtag) that the rule finds. `began`: when each burst began, and its
    hashtag; those before `start` need not be found. A window is near a burst that began at most `near` before or after.
    """
    if not flagged.dtypes.eq(bool).all():
        return "the table should hold nothing but True and False"
    if not flagged.to_numpy().any():
        return "your rule finds nothing at all"
    real, found, known = flagged & False, 0, 0
    for begin, hashtag in began:
        close = slice(begin - near, begin + near)
        real.loc[close, hashtag] = True
        inside = begin >= start
        known += inside
        found += inside and bool(flagged.loc[close, hashtag].any())
    right = (flagged & real).to_numpy().sum() / flagged.to_numpy().sum()
    told = f"it finds {found} of {known} bursts, and {right:.0%} of the windows it finds are near one"
    if right < SHARE:
        return f"{told}: too many false alarms. What do the windows have in common that are no burst?"
    if found < SHARE * known:
        return f"{told}: too few. Which of its conditions keeps the small bursts out?"
    return None


@exercise
def differing(answer: int, of_stream: dict, of_job: dict) -> str | None:
    """Whether the answer is the number of windows whose trending topics differ, out of {window: its first hashtags}."""
    windows = [window for window in of_stream if of_stream[window] != of_job.get(window)]
    if answer == len(windows):
        return None
    if answer == len(of_stream) - len(windows):
        return "that is in how many they are the same"
    if answer == sum(set(of_stream[window]) != set(of_job.get(window, ())) for window in of_stream):
        return "another order of the same hashtags is a difference, too"
    return f"there are {len(of_stream)} windows: compare the two lists of the same window, place by place"
