"""Background process that runs the producer for a notebook, and the handle that controls it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from lib.errors import ProducerError
from lib.producer.client import FLUSH_SECONDS
from lib.settings import ROOT, Settings
from lib.wait import wait_until

REPORT = re.compile(r"^\d\d:\d\d:\d\d (\{.*\})$", re.MULTILINE)


class RunningProducer:
    """A producer in the background, ended by `stop()` or `with`; `options` are those that it was started with.

    It belongs to the process that started it and ends when that process ends, for whatever reason.
    """

    def __init__(self, arguments: Sequence[str], log_file: Path, options: dict, environment: dict) -> None:
        self.log_file, self.options = log_file, options
        # Newest first: what Python itself reports, as when the producer fails; the log; the log before its rotation.
        self._logs = [log_file.with_name(log_file.name + ending) for ending in (".err", "", ".1")]
        for path in self._logs:
            path.unlink(missing_ok=True)
        # A session of its own, so that Jupyter's interrupt does not reach it; a pipe to its stdin, which ends when the
        # kernel does, so that it does not outlive the notebook; the project's folder, so that `lib` is the project's.
        with open(self._logs[0], "wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lib.producer", "--until-stdin-closes", "--log", str(log_file), *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True, cwd=ROOT,
                env=os.environ | environment,
            )  # fmt: skip
        self._summary: dict | None = None

    def __repr__(self) -> str:
        state = "running" if self.running else f"ended with exit code {self.process.returncode}"
        return f"<producer, process {self.process.pid}, {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def progress(self) -> dict[str, float]:
        """{sent, acked, seconds, per_second}, at most a second old; empty before the first report."""
        reports = REPORT.findall(self.log(lines=1000))
        return json.loads(reports[-1]) if reports else {}

    def log(self, lines: int = 10) -> str:
        """The last lines of the log."""
        found: list[str] = []
        for path in self._logs:
            with suppress(FileNotFoundError):  # not written yet, or being rotated
                found = path.read_text("utf-8", "replace").splitlines() + found
        return "\n".join(found[-lines:])

    def wait(self, seconds: float) -> dict[str, float]:
        """Wait until it ends by itself, and return its summary; ProducerError if it takes longer or fails."""
        try:
            wait_until(lambda: not self.running, seconds)
        except TimeoutError:
            raise ProducerError(
                f"the producer is still running after {seconds:g} s", "wait longer, or stop it", seconds=seconds
            ) from None
        return self.summary()

    def summary(self) -> dict[str, float]:
        """{sent, acked, seconds, per_second}, final once it has ended; ProducerError, with its log, if it failed."""
        if self.running:
            return self.progress()
        if self.process.returncode:
            raise ProducerError(
                f"the producer failed. Its log ends:\n  {self.log(3)}", f"see {self.log_file}", log=self.log()
            )
        if self._summary is None:
            with self.process.stdout as output:
                self._summary = json.loads(output.read().splitlines()[-1])
        return self._summary

    def stop(self) -> dict[str, float]:
        """Stop it, wait until every message sent is acknowledged, and return its summary. Safe to call twice."""
        self.process.stdin.close()
        try:
            return self.wait(FLUSH_SECONDS + 10)
        finally:
            self.process.kill()

    close = stop


# The producer last started for each (bootstrap_servers, topic). It outlives the notebook's variables on purpose: a cell
# that is run again must find the producer that it started, not start a second one beside it.
STARTED: dict[tuple[str, str], RunningProducer] = {}


def start_producer(settings: Settings, topic: str, **options: object) -> RunningProducer:
    """Start `python -m lib.producer` in the background and return at once.

    `options` are its options with underscores: start_producer(settings, topic, rate=100, late=0.01). While one runs
    on the topic, the same options give that one, and other options raise ProducerError.
    """
    place = (settings.bootstrap_servers, topic)
    started = STARTED.get(place)
    if started and started.running:
        if started.options == options:
            return started
        raise ProducerError(
            f"a producer already runs on topic {topic} with other options: {started.options}, not {options}",
            "stop that one first: call its stop()",
            topic=topic, running=started.options, asked=options,
        )  # fmt: skip
    arguments = []
    for name, value in {"topic": topic, "bootstrap_servers": settings.bootstrap_servers, **options}.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    log_file = settings.folder("logs") / f"producer-{topic}-{os.getpid()}.log"
    STARTED[place] = RunningProducer(arguments, log_file, options, settings.security.environment())
    return STARTED[place]
