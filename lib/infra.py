"""Around the topic: the broker, up and down, in Docker's words.

`python -m lib.infra up|status|down [--mode embedded|external] [--volumes]`. Whatever the mode, `up` attaches to a
broker that already answers; only a broker that `up` started is stopped by `down`.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import NoReturn

import psutil
from filelock import FileLock, Timeout

from lib import embedded_kafka, topics
from lib.deadline import wait_until
from lib.errors import BrokerError, SettingError
from lib.jars import jars
from lib.java import find_java
from lib.settings import settings

MODES = ("embedded", "external")
FOLDER = settings.build_dir / "broker"
STATE = FOLDER / "state.json"


@dataclass(frozen=True)
class Broker:
    """A broker that answers. `started`: whether this call of `up` started it; `pid` is None where we do not own it."""

    bootstrap_servers: str
    mode: str
    started: bool
    pid: int | None
    seconds: float

    def __str__(self) -> str:
        how = f"started in {self.seconds:.1f} s" if self.started else "was up already"
        owner = f", process {self.pid}" if self.pid else ", not ours"
        return f"broker at {self.bootstrap_servers}: {how} ({self.mode}{owner})"


@dataclass(frozen=True)
class State:
    """What `up` remembers of the process it started, so that others can attach to it and `down` can end it."""

    pid: int
    bootstrap_servers: str

    def process(self) -> psutil.Process | None:
        """The process, if it still is the one that was started (process ids are used again)."""
        try:
            process = psutil.Process(self.pid)
            # By its command line, which names our folder: a start time shifts when the clock is set.
            same = str(FOLDER / "server.properties") in process.cmdline()
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


def up(mode: str = settings.mode) -> Broker:
    """A broker that is ready, which means that it answers metadata requests: attached to, or else started.

    Two calls at the same moment give one broker. Raises SettingError, BrokerError, JavaError or JarError.
    """
    if mode not in MODES:
        raise SettingError(f"there is no mode {mode!r}", f"use one of: {', '.join(MODES)}")
    began = time.monotonic()
    if mode == "embedded" and not topics.answers():
        find_java(), jars("broker")  # may take minutes the first time: not while others wait for the lock
    with lock():
        ours = ours_running()
        if topics.answers():
            return Broker(settings.bootstrap_servers, "embedded" if ours else "external", False, ours and ours.pid, 0)
        if mode == "external":
            topics.require_broker()
        if ours and state().bootstrap_servers != settings.bootstrap_servers:
            raise BrokerError(
                f"our broker runs at {state().bootstrap_servers} on the same data, not at {settings.bootstrap_servers}",
                "use it there, or stop it first: make down (or: python -m lib.infra down)",
            )
        if ours and not comes_up(ours) and not alive(ours):  # it was ending, not starting
            ours = None
        started_here = ours is None
        if started_here:
            refuse_taken_port()
            pid = embedded_kafka.start(settings, FOLDER)
            started = State(pid, settings.bootstrap_servers)
            draft = STATE.with_suffix(".draft")
            draft.write_text(json.dumps(asdict(started)))
            draft.replace(STATE)
            ours = started.process()
            comes_up(ours)
        if not topics.answers():
            give_up(ours)
        return Broker(settings.bootstrap_servers, "embedded", started_here, ours.pid, time.monotonic() - began)


def alive(process: psutil.Process | None) -> bool:
    return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def comes_up(process: psutil.Process | None) -> bool:
    """Wait until the broker answers, and whether it does; False where it ends first or takes too long."""
    with suppress(TimeoutError):
        wait_until(lambda: topics.answers() or not alive(process), seconds=settings.ready_seconds, every=0.1)
    return topics.answers()


def give_up(process: psutil.Process | None) -> NoReturn:
    """End a broker that does not answer, and raise BrokerError with its log's last lines."""
    what = f"is not ready after {settings.ready_seconds:g} s" if alive(process) else "ended while it was starting"
    stop(process)
    raise BrokerError(
        f"the broker {what}. Its log says:\n  {embedded_kafka.log_tail(FOLDER)}",
        f"see {FOLDER / 'broker.log'}; to begin anew without its data: python -m lib.infra down --volumes",
    )


def refuse_taken_port() -> None:
    """BrokerError where the broker's port belongs to something that is not a broker."""
    if not topics.port_is_open():
        return
    raise BrokerError(
        f"port {settings.port} is taken by {port_owner(settings.port)}, which does not answer as a Kafka broker",
        f"end that program, or choose another port: STREAM_BOOTSTRAP_SERVERS=localhost:{settings.port + 100}",
    )


def port_owner(port: int) -> str:
    """The program that listens at a port, as far as the system tells."""
    try:
        pids = [c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port]
        return f"{psutil.Process(pids[0]).name()} (process {pids[0]})"
    except (psutil.Error, IndexError, TypeError):
        return "another program"


def down(volumes: bool = False) -> str:
    """Stop the broker that `up` started, and with `volumes` remove its data; what was done, in a sentence.

    A broker that was attached to is never stopped. Safe to call twice.
    """
    with lock():
        ours = ours_running()
        stop(ours)
        done = f"broker stopped (process {ours.pid})" if ours else "no broker of ours was running"
        if not ours and topics.answers():
            done += f"; the one that answers at {settings.bootstrap_servers} was not started here and stays"
        if volumes:
            shutil.rmtree(FOLDER / "data", ignore_errors=True)
            done += "; its data is removed"
        return done


def stop(process: psutil.Process | None) -> None:
    """End a broker: first asked, so that it closes its files, then by force; and forget it."""
    if process and process.is_running():
        process.terminate()
        try:
            process.wait(20)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(10)
    STATE.unlink(missing_ok=True)


def status(mode: str = settings.mode) -> tuple[bool, str]:
    """Whether a broker answers, and a sentence about it."""
    if not topics.answers():
        return False, f"no broker answers at {settings.bootstrap_servers}; start one: python -m lib.infra up"
    ours = ours_running()
    broker = Broker(settings.bootstrap_servers, "embedded" if ours else "external", False, ours and ours.pid, 0)
    return True, f"{broker}; topics: {', '.join(topics.names()) or 'none'}"


def ours_running() -> psutil.Process | None:
    """The broker process that an earlier `up` started, if it lives; else its state file is removed."""
    known = state()
    process = known.process() if known else None
    if process is None:
        STATE.unlink(missing_ok=True)
    return process


def state() -> State | None:
    """What the state file says; None where there is none, or where it cannot be read."""
    try:
        return State(**json.loads(STATE.read_text()))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def lock() -> Iterator[None]:
    """One `up` or `down` at a time; the others wait for it."""
    try:
        held = FileLock(settings.folder(FOLDER.name) / "lock", timeout=settings.ready_seconds + 30)
        held.acquire()
    except Timeout:
        raise BrokerError(
            "another `up` or `down` has been at work for too long", "see what it does, and end it"
        ) from None
    try:
        yield
    finally:
        held.release()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.infra", description="The broker, up and down.")
    parser.add_argument("command", choices=("up", "status", "down"))
    parser.add_argument("--mode", choices=MODES, default=settings.mode, help=f"default: {settings.mode}")
    parser.add_argument("--volumes", action="store_true", help="with down: remove the broker's data too")
    options = parser.parse_args()
    if options.volumes and options.command != "down":
        parser.error("--volumes goes with down")
    answered = True
    if options.command == "up":
        print(up(options.mode))
    elif options.command == "down":
        print(down(options.volumes))
    else:
        answered, sentence = status(options.mode)
        print(sentence)
    return 0 if answered else 1


if __name__ == "__main__":
    sys.exit(main())
