"""Around the topic: the broker, up and down, in Docker's words.

`python -m lib.infra up|status|down [--mode embedded|docker|external] [--volumes]`. Whatever the mode, `up` attaches to
a broker that already answers; only a broker that `up` started is stopped by `down`.
"""

import argparse
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import psutil
from filelock import FileLock, Timeout

from lib import topics
from lib.errors import BrokerError, DockerError, SettingError
from lib.infra import compose as docker_stack
from lib.infra import embedded as embedded_kafka
from lib.infra import ports
from lib.infra.jars import jars
from lib.infra.java import find_java
from lib.settings import MODES, settings
from lib.wait import wait_until

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
        owner = f", process {self.pid}" if self.pid else ", containers" if self.mode == "docker" else ", not ours"
        return f"broker at {self.bootstrap_servers}: {how} ({self.mode}{owner})"


@dataclass(frozen=True)
class State:
    """What `up` remembers of what it started, a process or containers, so that others can attach and `down` end it."""

    pid: int | None
    bootstrap_servers: str
    compose_file: str | None = None

    @property
    def mode(self) -> str:
        return "docker" if self.compose_file else "embedded"

    def lives(self) -> bool:
        """Whether it is still there. DockerError where only Docker could tell, and does not answer."""
        if self.compose_file:
            return bool(docker_stack.containers(Path(self.compose_file)))
        return self.process() is not None

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

    Two calls at the same moment give one broker. Raises SettingError, BrokerError, JavaError, JarError or DockerError.
    """
    if mode not in MODES:
        raise SettingError(f"there is no mode {mode!r}", f"use one of: {', '.join(MODES)}")
    began = time.monotonic()
    if mode == "embedded" and not topics.answers():
        find_java(), jars("broker")  # may take minutes the first time: not while others wait for the lock
    if mode == "docker" and not topics.answers():
        docker_stack.prepare(settings)
    with lock():
        if topics.answers():
            return attached()
        if mode == "external":
            topics.require_broker()
        ours = ours_running()
        if ours and (ours.bootstrap_servers, ours.mode) != (settings.bootstrap_servers, mode):
            raise BrokerError(
                f"our broker runs at {ours.bootstrap_servers} ({ours.mode}), "
                f"not at {settings.bootstrap_servers} ({mode})",
                "use it there, or stop it first: make down (or: python -m lib.infra down)",
            )
        if ours and mode == "embedded" and not comes_up(ours.process()) and not alive(ours.process()):
            ours = None  # it was ending, not starting
        started_here = ours is None
        if mode == "docker":
            ours = ours or remember(State(None, settings.bootstrap_servers, str(docker_stack.compose_file(settings))))
            start_containers(ours)
        else:
            if started_here:
                refuse_taken_port()
                ours = remember(State(embedded_kafka.start(settings, FOLDER), settings.bootstrap_servers))
                comes_up(ours.process())
            if not topics.answers():
                give_up(ours.process())
        return Broker(settings.bootstrap_servers, ours.mode, started_here, ours.pid, time.monotonic() - began)


def attached() -> Broker:
    """The broker that answers: ours, if it is the one that an earlier `up` started, else somebody's."""
    with suppress(DockerError):  # containers of ours do not answer where Docker does not
        ours = ours_running()
        if ours and ours.bootstrap_servers == settings.bootstrap_servers:
            return Broker(settings.bootstrap_servers, ours.mode, False, ours.pid, 0)
    return Broker(settings.bootstrap_servers, "external", False, None, 0)


def start_containers(ours: State) -> None:
    """Start the stack, or what of it has stopped; after a failure nothing of it is left to remember."""
    try:
        docker_stack.start(settings, Path(ours.compose_file), FOLDER)
    except (BrokerError, DockerError):
        STATE.unlink(missing_ok=True)
        raise


def remember(started: State) -> State:
    """Write the state file, in one step: nobody reads half of one."""
    draft = STATE.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(started)))
    draft.replace(STATE)
    return started


def exit_on_signals() -> None:
    """Let SIGTERM and SIGHUP end this program by SystemExit, so that its `finally` stops the broker that it started."""
    # A closed terminal or a CI's time limit must not leave a broker either.
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):  # Windows has no SIGHUP
        signal.signal(number, lambda number, _: sys.exit(128 + number))


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
        f"port {settings.port} is taken by {ports.owner(settings.port)}, which does not answer as a Kafka broker",
        f"end that program, or choose another port: STREAM_BOOTSTRAP_SERVERS=localhost:{settings.port + 100}",
    )


def down(volumes: bool = False, mode: str = settings.mode) -> str:
    """Stop the broker that `up` started, and with `volumes` remove its data; what was done, in a sentence.

    Where none was running, `mode` says whose data. A broker that was attached to is never stopped. Safe to call twice.
    Raises DockerError where containers are to be removed, and Docker does not answer.
    """
    with lock():
        ours = ours_running()
        in_docker = (ours.mode if ours else mode) == "docker"
        if ours and in_docker:
            names = docker_stack.stop(Path(ours.compose_file), volumes)
            STATE.unlink(missing_ok=True)
            done = f"containers stopped and removed ({names})"
        else:
            stop(ours and ours.process())
            done = f"broker stopped (process {ours.pid})" if ours else "no broker of ours was running"
        if not ours and topics.answers():
            done += f"; the one that answers at {settings.bootstrap_servers} was not started here and stays"
            if volumes and in_docker:  # which may be this stack, started by hand
                return done + ", with its data"
        if volumes and in_docker and not ours:
            docker_stack.stop(docker_stack.compose_file(settings), volumes)
        elif volumes and not in_docker:
            shutil.rmtree(FOLDER / "data", ignore_errors=True)
        return done + ("; its data is removed" if volumes else "")


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
    """Whether a broker answers, and a sentence about it; in mode docker also about the containers."""
    answered, containers = topics.answers(), ""
    if mode == "docker":
        try:
            found = docker_stack.containers(docker_stack.compose_file(settings))
            containers = f"; containers: {', '.join(map(str, found)) or 'none'}"
        except DockerError as error:
            containers = f"; {error.what}"
    if answered:
        return True, f"{attached()}; topics: {', '.join(topics.names()) or 'none'}{containers}"
    up = "python -m lib.infra up" + (f" --mode {mode}" if mode != settings.mode else "")
    return False, f"no broker answers at {settings.bootstrap_servers}{containers}; start one: {up}"


def ours_running() -> State | None:
    """What an earlier `up` started, if it lives; else its state file is removed. DockerError as in `State.lives`."""
    known = state()
    if known and known.lives():
        return known
    STATE.unlink(missing_ok=True)
    return None


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
        print(down(options.volumes, options.mode))
    else:
        answered, sentence = status(options.mode)
        print(sentence)
    return 0 if answered else 1


if __name__ == "__main__":
    sys.exit(main())
