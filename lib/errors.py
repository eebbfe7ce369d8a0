"""Beside the tweet's way: what can go wrong, said so that a student can act on it.

CourseError
├── SettingError     an option or a STREAM_… variable that makes no sense
├── JavaError        no Java, or one that Spark and Kafka do not run on
├── JarError         a jar that cannot be fetched, or is not the one that was locked
├── BrokerError      no broker, a port that is taken, a broker that does not get ready
├── DockerError      no Docker client or engine, too little memory for it, an image that cannot be pulled
├── TopicError       a topic that is not there, or is not as asked for
├── ProducerError    tweets that were not acknowledged, a producer that died
├── QueryError       a streaming query that failed or fell behind its deadline
├── CountError       the stream's answer is not the recount's
└── StepError        a step of the main job failed, most often a cell of the master notebook
"""

import sys
from types import TracebackType


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


class DockerError(CourseError): ...


class TopicError(CourseError): ...


class ProducerError(CourseError): ...


class QueryError(CourseError): ...


class CountError(CourseError): ...


class StepError(CourseError): ...


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python prints when a program ends by an error: our own in two lines, Ctrl-C in none, others as always."""
    if issubclass(kind, CourseError):
        print(f"{kind.__name__}: {error}", file=sys.stderr)
    elif not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _show
