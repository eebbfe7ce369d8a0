"""Exercises of lesson 08: the length of a micro-batch under load, the number of tweets from which on a cluster is worth
its start, and the bottleneck of a slow query."""

import math
import re
from collections.abc import Callable, Mapping
from numbers import Real

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame

from lib.course.exercises import exercise

TOLERANCE = 0.005  # enough for an answer with three digits
GAIN = 2  # the least factor that counts as a gain
PARTS = ("read", "parse", "count", "sink")
Cost = tuple[float, float]  # (fixed cost, cost of a tweet), in seconds


def is_number(answer: object) -> bool:
    return isinstance(answer, Real) and not isinstance(answer, bool)


def is_close(answer: float, right: float) -> bool:
    return answer == right or abs(answer - right) <= TOLERANCE * right < math.inf


@exercise
def steady(answer: float, cost: Cost, rate: float) -> str | None:
    """Whether micro-batches that follow each other without a pause take that many seconds, at so many tweets a second.

    `cost`: that of a micro-batch. Where it takes longer than the tweets of its own time need to arrive, the answer is
    infinity.
    """
    fixed, each = cost
    if not is_number(answer) or not answer > 0:
        return "the answer is a number of seconds, such as 0.5"
    right = fixed / (1 - each * rate) if each * rate < 1 else math.inf
    if is_close(answer, right):
        return None
    if math.isinf(answer):
        return f"it does not grow for ever: a tweet costs {each:.2g} s, and the next one comes after {1 / rate:.2g} s"
    arrived = answer * rate
    return (
        f"if a micro-batch takes {answer:.3g} s, {arrived:,.0f} tweets arrive meanwhile, and the next one takes "
        f"{fixed + each * arrived:.3g} s. Which length stays the same?"
    )


@exercise
def crossing(answer: float, python: Cost, cluster: Cost) -> str | None:
    """Whether that is the number of tweets for which Python and a cluster take equally long; infinity if there is
    none."""
    if not is_number(answer) or not answer > 0:
        return "the answer is a number of tweets, such as 100_000"
    right = (cluster[0] - python[0]) / (python[1] - cluster[1]) if python[1] > cluster[1] else math.inf
    if is_close(answer, right):
        return None
    if math.isinf(answer):
        return "a tweet costs the cluster less than Python, so there is such a number"
    one, other = (fixed + each * answer for fixed, each in (python, cluster))
    return (
        f"for {answer:,.0f} tweets Python takes {one:.3g} s, and the cluster {other:.3g} s. When do they take the same?"
    )


@exercise
def faster(bottleneck: str, sink: Callable, slow: tuple[float, Mapping], measure: Callable) -> str | None:
    """Whether the part that slows a query down is found, and a sink replaces it: it writes the same, and a micro-batch
    takes at most half the time.

    `slow`: what `measure(sink)` has returned for the slow sink: (seconds of a micro-batch, what is in the table).
    """
    if bottleneck not in PARTS:
        return f"say which part has to change: {', '.join(map(repr, PARTS))}"
    seconds, right = slow
    if bottleneck != "sink":
        without, _ = measure(throw_away)
        return (
            f"with another sink, which throws all rows away, a micro-batch takes {without:.2g} s instead of "
            f"{seconds:.2g} s, though it still reads, parses and counts, once. So which part has to change?"
        )
    if sink is ...:
        return "you have found it: the sink. Now write one, such as write_popular, that does the same in less time"
    if not callable(sink):
        return "the sink must be a function of a batch and its number"
    try:
        own, found = measure(sink)
    except StreamingQueryException as error:
        said = re.findall(r"^\w*(?:Error|Exception): .*", str(error), re.MULTILINE)
        return f"the query ended with an error in your sink: {said[-1] if said else str(error).splitlines()[0]}"
    if missing := right.keys() - found.keys():
        return f"{len(missing)} of {len(right)} rows are missing in the table, such as {min(missing)}"
    if wrong := [key for key in found if found[key] != right.get(key)]:
        return f"{len(wrong)} rows of the table are not as before, such as {min(wrong)}"
    if own * GAIN > seconds:
        return (
            f"the table is right, but a micro-batch takes {own:.2g} s, and {seconds:.2g} s before. Each action on the "
            "batch, such as collect() or count(), computes it again from the topic. How many does your sink need?"
        )
    return None


def throw_away(batch: DataFrame, number: int) -> None:
    """Sink that computes the rows, once, and keeps none."""
    batch.write.format("noop").mode("append").save()
