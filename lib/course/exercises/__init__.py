"""Exercises: a check judges the outcome of an answer, and gives a hint that fits the mistake, never the answer.

In a lesson the last line of a cell is a check: `check.lag(answer, …)` shows *Not answered yet*, *Not yet: …* or
*Correct*. The collapsed cell with the solution goes through the same check, and fails where it is wrong:
`assert check.lag(solution, …)`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer; true if the answer is correct. Jupyter shows its text."""

    text: str
    correct: bool = False

    def __bool__(self) -> bool:
        return self.correct

    def __repr__(self) -> str:
        return self.text


UNANSWERED = Verdict("Not answered yet: replace the three dots by your answer.")


def exercise(judge: Callable[..., str | None]) -> Callable[..., Verdict]:
    """A check from a judge: a function of the answer, and of what it is judged by, that returns a hint, or None where
    the answer is correct. Three dots are no answer. An answer that the judge cannot work with is wrong, too."""

    @wraps(judge)
    def check(answer: Any, *by: Any) -> Verdict:
        if answer is ...:
            return UNANSWERED
        try:
            hint = judge(answer, *by)
        except Exception as error:  # of an answer of any kind
            hint = f"your answer could not be used here ({type(error).__name__}: {error})"
        if hint is None:
            return Verdict("Correct.", True)
        return Verdict(f"Not yet: {hint}" if hint.endswith("?") else f"Not yet: {hint}.")

    return check
