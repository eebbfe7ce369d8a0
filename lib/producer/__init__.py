"""The tweet's way goes on: send invented tweets to Kafka at a steady rate, each one acknowledged.

`python -m lib.producer --rate 50` runs until it is stopped; a notebook starts it in the background by `start_producer`.
"""

import argparse
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from kafka import KafkaProducer
from kafka.errors import KafkaError

from lib import topics, tweets
from lib.errors import ProducerError, SettingError
from lib.settings import ROOT, settings
from lib.wait import wait_until

# Measured: with the defaults (a batch of 16 KiB, sent at once) half as many messages a second.
BATCHING = {"linger_ms": 50, "batch_size": 1024**2, "compression_type": "lz4"}
SAFETY = {"acks": "all", "enable_idempotence": True, "reconnect_backoff_max_ms": 1000}


FLUSH_SECONDS = 60
LOG_BYTES = 100_000  # about 20 minutes of a line a second
UNACKNOWLEDGED = 100_000  # messages, about 30 MB: kafka-python has no limit of its own for what waits in memory


class Acknowledged:
    """How many messages were handed to the client, how many the broker acknowledged, and the first failure."""

    def __init__(self) -> None:
        self.sent = self.acked = 0
        self.failure: Exception | None = None
        self.began = time.monotonic()

    def acknowledged(self, _) -> None:
        self.acked += 1

    def failed(self, error: Exception) -> None:
        self.failure = self.failure or error

    def summary(self) -> dict[str, float]:
        """{sent, acked, seconds, per_second}; messages, and seconds since the first."""
        seconds = max(time.monotonic() - self.began, 0.001)
        return {
            "sent": self.sent,
            "acked": self.acked,
            "seconds": round(seconds, 3),
            "per_second": round(self.acked / seconds, 1),
        }


def send(
    messages: Iterable[tweets.Message],
    topic: str,
    bootstrap_servers: str,
    rate: float,
    stop: threading.Event,
    duration: float | None = None,
    own_log: bool = False,
) -> Acknowledged:
    """Send until the messages or the seconds of `duration` run out, or `stop` is set; then wait for what is on its way.

    Message i is due i/rate seconds after the first: after a stall it catches up, and it never drifts; where the broker
    takes nothing, it waits with at most UNACKNOWLEDGED messages in memory. A line a second goes to standard error;
    where that is a log of its own, it never grows beyond LOG_BYTES. Raises ProducerError where a message was not
    acknowledged.
    """
    client = KafkaProducer(bootstrap_servers=bootstrap_servers, **BATCHING, **SAFETY)
    tally = Acknowledged()
    next_report = tally.began
    end = tally.began + (math.inf if duration is None else duration)
    for number, (key, value) in enumerate(messages):
        while tally.sent - tally.acked >= UNACKNOWLEDGED and not (stop.is_set() or tally.failure):
            if time.monotonic() >= end:
                break
            stop.wait(0.01)
        now = time.monotonic()
        due = tally.began + number / rate if rate else now
        if due > now:  # at a low rate the end may come before the next message
            stop.wait(min(due, end) - now)
            now = time.monotonic()
        if now >= next_report:
            print(f"{datetime.now():%H:%M:%S} {json.dumps(tally.summary())}", file=sys.stderr, flush=True)
            if own_log and os.fstat(2).st_size > LOG_BYTES:
                begin_log_anew()
            next_report = now + 1
        if stop.is_set() or tally.failure or max(now, due) >= end:
            break
        try:
            client.send(topic, value, key).add_callback(tally.acknowledged).add_errback(tally.failed)
        except KafkaError as error:  # the broker has not told for a minute where the topic is
            tally.failed(error)
            break
        tally.sent += 1
    try:
        client.flush(timeout=FLUSH_SECONDS)
    except KafkaError as error:
        tally.failed(error)
    if tally.failure:  # close() has no way to give up: it would raise for what can no longer be sent
        client._sender.force_close()
    client.close()
    if tally.failure or tally.acked < tally.sent:
        raise ProducerError(
            f"{tally.sent - tally.acked} of {tally.sent} messages were not acknowledged: {tally.failure!r}",
            "see whether the broker is up: python -m lib.infra status",
        )
    return tally


def begin_log_anew() -> None:
    """Empty the file behind standard error: a producer that runs for weeks must not fill the disk with its log."""
    os.ftruncate(2, 0)
    os.lseek(2, 0, os.SEEK_SET)


def main() -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    options = parse_options()
    topics.offsets(options.topic, bootstrap_servers=options.bootstrap_servers)  # a missing broker or topic is said now
    if options.until_stdin_closes:
        # os.read, because a thread that waits in sys.stdin's buffer makes Python abort when it exits.
        threading.Thread(target=lambda: (os.read(0, 1), stop.set()), daemon=True).start()
    names = ("count", "seed", "start", "rate", "late", "duplicates", "malformed")
    messages = tweets.stream(**{name: getattr(options, name) for name in names})
    where = (options.topic, options.bootstrap_servers)
    tally = send(messages, *where, options.rate, stop, options.duration, own_log=options.until_stdin_closes)
    print(json.dumps(tally.summary()), flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lib.producer", description="Send invented tweets to Kafka.")
    tweets.add_options(parser, start=None, count=None)
    parser.add_argument("--duration", type=float, metavar="S", help="stop after so many seconds")
    parser.add_argument("--topic", default=settings.topic, metavar="T")
    parser.add_argument("--bootstrap-servers", default=settings.bootstrap_servers, metavar="B")
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end when standard input ends: with the notebook that started it",
    )
    options = parser.parse_args()
    options.start = options.start or datetime.now(UTC)
    if options.duration is not None and not 0 <= options.duration < threading.TIMEOUT_MAX:
        raise SettingError(f"--duration {options.duration} is no length", "give seconds, such as --duration 30")
    tweets.check(
        options.count, options.seed, options.start, options.rate, options.late, options.duplicates, options.malformed
    )
    return options


class RunningProducer:
    """A producer in the background: `rate()`, `log()`, `summary()`, `wait()`, `stop()`, and the `options` it was given.

    It belongs to the process that started it and ends with it, however that ends.
    """

    def __init__(self, command: list[str], log: Path, options: dict) -> None:
        self.log_file, self.options = log, options
        # Its own session, so that Jupyter's interrupt does not reach it; a pipe to its stdin, which ends when the
        # kernel does, so that it does not outlive the notebook.
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True, cwd=ROOT
            )  # in our folder, where `lib` is ours, whatever another folder or package calls so
        self._summary: dict | None = None

    def __repr__(self) -> str:
        state = "running" if self.running else f"ended with exit code {self.process.returncode}"
        return f"<producer, process {self.process.pid}, {state}>"

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def progress(self) -> dict[str, float]:
        """{sent, acked, seconds, per_second} as of its last second; empty before its first."""
        found = re.findall(r"\{.*\}", self.log())
        return json.loads(found[-1]) if found else {}

    def rate(self) -> float:
        """Messages acknowledged a second, since its start."""
        return self.progress().get("per_second", 0.0)

    def log(self, lines: int = 10) -> str:
        """The last lines of its log."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def wait(self, seconds: float) -> dict[str, float]:
        """Wait until it ends by itself, and return its summary; ProducerError if it takes longer or fails."""
        try:
            wait_until(lambda: not self.running, seconds)
        except TimeoutError:
            raise ProducerError(
                f"the producer still runs after {seconds:g} s", "give it more time, or stop it"
            ) from None
        return self.summary()

    def stop(self) -> dict[str, float]:
        """Ask it to end, wait until all it has sent is acknowledged, and return its summary. Safe to call twice."""
        self.process.stdin.close()
        try:
            return self.wait(FLUSH_SECONDS + 10)
        finally:
            self.process.kill()

    def summary(self) -> dict[str, float]:
        """{sent, acked, seconds, per_second} once it has ended; ProducerError, with its log, if it failed."""
        if self.running:
            return self.progress()
        if self._summary is None:
            output = self.process.stdout.read().decode()
            if self.process.returncode:
                raise ProducerError(f"the producer failed. Its log says:\n  {self.log(3)}", f"see {self.log_file}")
            self._summary = json.loads(output.splitlines()[-1])
        return self._summary


_started: dict[tuple[str, str], RunningProducer] = {}


def start_producer(
    topic: str = settings.topic, bootstrap_servers: str = settings.bootstrap_servers, **options: object
) -> RunningProducer:
    """Start `python -m lib.producer` in the background and return at once.

    `options` are its options with underscores: start_producer(rate=100, late=0.01). Started again on the same topic
    while it runs, it is the running one that is returned.
    """
    running = _started.get((topic, bootstrap_servers))
    if running and running.running:
        return running
    command = [sys.executable, "-m", "lib.producer", "--until-stdin-closes"]
    for name, value in {"topic": topic, "bootstrap_servers": bootstrap_servers, **options}.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    log = settings.folder("logs") / f"producer-{topic}-{os.getpid()}.log"
    _started[topic, bootstrap_servers] = RunningProducer(command, log, options)
    return _started[topic, bootstrap_servers]


if __name__ == "__main__":
    main()
