"""Beside the tweet's way: what can go wrong, said so that a student can act on it.

CourseError
├── SettingError     an option or a STREAM_… variable that makes no sense
├── JavaError        no Java, or one that Spark and Kafka do not run on
├── JarError         a jar that cannot be fetched, or is not the one that was locked
├── BrokerError      no broker, a port that is taken, a broker that does not get ready
├── TopicError       a topic that is not there, or is not as asked for
├── ProducerError    tweets that were not acknowledged, a producer that died
├── QueryError       a streaming query that failed or fell behind its deadline
└── CountError       the stream's answer is not the recount's
"""

import sys
from collections.abc import Callable
from typing import NoReturn


class CourseError(Exception):
    """An expected failure: `what` happened and why, and the `remedy`, which says what to type."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  What to do: {remedy}")
        self.what = what
        self.remedy = remedy

    def _render_traceback_(self) -> list[str]:
        """IPython calls this instead of printing a traceback: a few lines, not sixty."""
        return [f"{type(self).__name__}: {self}"]


class SettingError(CourseError): ...


class JavaError(CourseError): ...


class JarError(CourseError): ...


class BrokerError(CourseError): ...


class TopicError(CourseError): ...


class ProducerError(CourseError): ...


class QueryError(CourseError): ...


class CountError(CourseError): ...


def exit_with(main: Callable[[], int | None]) -> NoReturn:
    """Run a command's `main` and end the process: its exit code, or 1 and two lines for a CourseError."""
    try:
        sys.exit(main())
    except CourseError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
