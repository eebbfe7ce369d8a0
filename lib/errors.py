"""Errors of the course: each says what happened, why, and what to type."""

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


class SettingError(CourseError): ...  # an option or a STREAM_… variable with an invalid value


class JavaError(CourseError): ...  # no Java, or a version that Spark and Kafka do not support


class JarError(CourseError): ...  # a jar that cannot be downloaded, or whose checksum differs from the lock


class BrokerError(CourseError): ...  # no broker, a port in use, a broker that does not become ready


class AccessError(CourseError): ...  # a user, a certificate or an operation that the broker or its client refuses


class DockerError(CourseError): ...  # no client, engine, memory or image of Docker, or a command of it that failed


class TopicError(CourseError): ...  # a topic that does not exist, or differs from what was asked for


class ProducerError(CourseError): ...  # messages that were not acknowledged, a producer that failed


class QueryError(CourseError): ...  # a streaming query that failed or missed its deadline


class CountError(CourseError): ...  # the stream's counts differ from the recount's


class StepError(CourseError): ...  # a step of the main job failed, usually a cell of the master notebook


def require(valid: bool, option: str, value: object, remedy: str) -> None:
    """Raise SettingError, which names the option, unless its value is valid."""
    if not valid:
        raise SettingError(f"--{option} {value} is out of range", remedy, option=option, value=value)


def run(main: Callable[[], int | None]) -> NoReturn:
    """Run a command line and exit with its code: 1 and the error's two lines after a CourseError, 130 after Ctrl-C."""
    try:
        code = main()
        sys.stdout.flush()
    except CourseError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = 1
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        sys.stderr.close()  # Python would report the rest of the output, which it cannot write, when it exits
        code = 0
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
