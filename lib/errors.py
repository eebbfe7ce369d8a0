"""Errors of the course: each says what happened, why, and what to type.

CourseError
├── SettingError     an option or a STREAM_… variable with an invalid value
├── JavaError        no Java, or a version that Spark and Kafka do not support
├── JarError         a jar that cannot be downloaded, or whose checksum differs from the lock
├── BrokerError      no broker, a port in use, a broker that does not become ready
├── DockerError      no Docker client or engine, too little memory for it, an image that cannot be pulled
├── TopicError       a topic that does not exist, or differs from what was asked for
├── ProducerError    messages that were not acknowledged, a producer that failed
├── QueryError       a streaming query that failed or missed its deadline
├── CountError       the stream's counts differ from the recount's
└── StepError        a step of the main job failed, usually a cell of the master notebook
"""

import sys
from collections.abc import Callable
from typing import NoReturn


class CourseError(Exception):
    """An expected failure.

    `what` says what happened and why, `remedy` what to type; `data` holds the values in the text, for programs.
    """

    def __init__(self, what: str, remedy: str, **data: object) -> None:
        super().__init__(f"{what}\n  What to do: {remedy}")
        self.what, self.remedy, self.data = what, remedy, data

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


def run(main: Callable[[], int | None]) -> NoReturn:
    """Run a command line and exit with its code: 1 and the error's two lines after a CourseError, 130 after Ctrl-C."""
    try:
        code = main()
    except CourseError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
