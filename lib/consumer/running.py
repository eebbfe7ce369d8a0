"""Beside the consumer: its two queries while they run, to wait for, to stop, and to ask what went wrong."""

import json
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from filelock import FileLock
from pyspark.sql import SparkSession
from pyspark.sql.streaming import StreamingQuery

from lib.consumer.progress import Tally
from lib.errors import QueryError
from lib.spark_session import LOG
from lib.wait import wait_until

ASKED_TO_STOP = "asked to stop before this batch"
REMEDIES = {  # what Spark's exceptions say, and what to do about it
    "No space left on device": "the disk is full: free some space; started again, it goes on where it was",
    "data may have been": "messages expired or the topic was made again while it ran; begin anew: python -m lib.reset",
    "UnknownTopicOrPartition": "the topic was deleted while it ran; begin anew: python -m lib.reset",
}


@dataclass(frozen=True)
class Consumer:
    """Two running queries on one topic: `counting` writes the windows, `aside` keeps the malformed messages.

    `beginning`: {partition: offset} of the topic's end when it was started.
    """

    spark: SparkSession
    counting: StreamingQuery
    aside: StreamingQuery
    tally: Tally
    stopping: threading.Event
    lock: FileLock
    topic: str
    bootstrap_servers: str
    beginning: dict[int, int]

    @property
    def active(self) -> bool:
        """Whether both queries still run; False also when they have ended by themselves."""
        return self.counting.isActive and self.aside.isActive

    @property
    def going_on(self) -> bool:
        """Whether there is more to come: nothing has failed, and not both queries have ended."""
        return self.error() is None and (self.counting.isActive or self.aside.isActive)

    def wait_for(self, offsets: dict[int, int], seconds: float) -> None:
        """Return when every message before `offsets` is counted; QueryError if that fails or takes over `seconds`."""

        def reached() -> bool:
            return all(self.tally.offsets.get(p, 0) >= offset for p, offset in offsets.items() if offset)

        began = time.monotonic()
        with suppress(TimeoutError):
            wait_until(lambda: reached() or not self.active, seconds)
        self.raise_error()
        if not reached():
            behind = sum(offsets.values()) - sum(self.tally.offsets.values())
            state = "is still" if self.active else "was stopped"
            raise QueryError(
                f"after {time.monotonic() - began:.1f} s the query {state} {behind} messages behind",
                f"give it more time, or start it again; see {LOG}",
            )

    def end(self) -> None:
        """End both queries, the counting one between two batches, and wait for Spark's last report."""
        self.stopping.set()
        with suppress(TimeoutError):  # then the batch is cut off, and comes again from the checkpoint
            wait_until(lambda: not (self.counting.isActive and self.counting.status["isTriggerActive"]), 30)
        try:
            self.catch_up_aside()
            self.counting.stop()
            self.aside.stop()
        finally:
            reported = self.tally.terminated.wait(30)
            self.spark.streams.removeListener(self.tally)
            self.lock.release()
        if not reported:
            raise QueryError(
                "Spark did not report the query's end within 30 s: the totals are not complete, the windows are",
                f"see {LOG}",
            )

    def catch_up_aside(self) -> None:
        """Wait until the malformed messages of all that was counted are kept aside, or 15 s have passed."""

        def caught_up() -> bool:
            last = self.aside.lastProgress
            ends = json.loads(last.sources[0].endOffset or "{}").get(self.topic, {}) if last else {}
            return all(ends.get(str(p), 0) >= offset for p, offset in self.tally.offsets.items())

        with suppress(TimeoutError):
            wait_until(lambda: caught_up() or not self.aside.isActive, 15)

    def stop(self) -> dict[str, int]:
        """End both queries and return the totals, messages by verdict; QueryError if one failed. Safe to call twice."""
        self.end()
        self.raise_error()
        return self.tally.totals

    def finish(self, seconds: float | None = None) -> dict[str, int]:
        """Wait until both queries have ended by themselves, as with availableNow, and return the totals.

        QueryError where one failed, or where they still ran after so many seconds; they are ended then.
        """
        try:
            wait_until(lambda: not (self.counting.isActive or self.aside.isActive), seconds or 1e9)
        except TimeoutError:
            self.stop()
            raise QueryError(
                f"the query was not at its end after {seconds:g} s",
                "give it more time; started again, it goes on where it was",
            ) from None
        return self.stop()

    def error(self) -> QueryError | None:
        """What went wrong, if one of the queries has failed."""
        for query in (self.counting, self.aside):
            error = str(query.exception() or ASKED_TO_STOP)
            if ASKED_TO_STOP in error:
                continue
            for words, remedy in REMEDIES.items():
                if words in error:
                    return QueryError(f"the streaming query failed: {first_line_with(words, error)}", remedy)
            return QueryError(
                f"the streaming query failed: {cause(error)}",
                f"see {LOG}; started again, it goes on where it was",
            )
        return None

    def raise_error(self) -> None:
        """QueryError where one of the queries has failed."""
        if error := self.error():
            raise error


def cause(text: str) -> str:
    """What Spark's message says first; where a batch of ours raised an error, that error and not its traceback."""
    about_it = re.compile(r"\s|$|Traceback|.*Python Proxy|.*An error occurred while calling")
    lines = [line.removeprefix(": ") for line in text.splitlines() if not about_it.match(line)]
    return first_line_with("", "\n".join(lines) or text)


def first_line_with(words: str, text: str) -> str:
    """The first line that has the words, cut to 300 characters."""
    return next(line.strip() for line in text.splitlines() if words in line and line.strip())[:300]
