"""Kafka broker of the course, or several: start them or attach to running ones, report their status, stop them.

In every mode (embedded, docker, external) `up` attaches to a broker that already answers, and `down` stops only what
`up` started.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lib.errors import BrokerError, DockerError
from lib.infra.state import Started, State
from lib.settings import Settings, hosts_and_ports
from lib.topics import Cluster

if TYPE_CHECKING:
    from lib.infra.modes import Mode


@dataclass(frozen=True)
class Broker:
    """A broker that answers, or several. `started`: whether this call of `up` started it, or one of several.

    `mode` is "external" if this project did not start it. `pid` is None then, for containers, and for several brokers;
    `owner` says which processes they are.
    """

    bootstrap_servers: str
    mode: str
    started: bool
    pid: int | None
    seconds: float
    owner: str

    def __str__(self) -> str:
        how = f"started in {self.seconds:.1f} s" if self.started else "was up already"
        return f"broker at {self.bootstrap_servers}: {how} ({self.mode}, {self.owner})"


def up(settings: Settings) -> Broker:
    """Attach to a broker that answers metadata requests, or start one.

    Concurrent calls start only one. Raises SettingError, BrokerError, JavaError, JarError or DockerError.
    """
    began, address, state = time.monotonic(), settings.bootstrap_servers, State(settings)
    with Cluster.of(settings) as cluster:
        mode = mode_of(settings, cluster)
        if not cluster.answers():
            mode.prepare()
        with state.lock():
            known = answering(settings, cluster)
            if cluster.answers() and (not known or (known.complete and as_many(known, settings))):
                return attached(settings, cluster)
            if not (known := managed(settings, cluster)):
                state.forget()
            elif not (overlap(known, settings) and known.name == mode.name and as_many(known, settings)):
                found = f"{known.settings.bootstrap_servers} ({known.name}, {known.settings.brokers} broker(s))"
                raise BrokerError(
                    f"the broker of this project runs at {found}, not at {address} ({mode.name}, {settings.brokers})",
                    "use it there, or stop it first: make down (or: python -m lib.infra down)",
                    address=known.settings.bootstrap_servers, mode=known.name,
                )  # fmt: skip
            mode = known or mode
            started = mode.start(state)
    own = mode.settings.bootstrap_servers
    return Broker(own, mode.name, started, mode.pid, time.monotonic() - began, mode.owner)


def down(settings: Settings, volumes: bool = False) -> str:
    """Stop the broker that `up` started, and with `volumes` remove its data. Returns what was done, in a sentence.

    If no such broker runs, the data of `settings.mode` is removed. A broker that `up` attached to is never stopped.
    Safe to call twice. Raises DockerError if containers have to be removed and Docker does not answer.
    """
    state, removed = State(settings), "; its data is removed" if volumes else ""
    with Cluster.of(settings) as cluster, state.lock():
        if known := managed(settings, cluster):
            done = known.stop(volumes)
            state.forget()
            return done + removed
        state.forget()
        mode, done = mode_of(settings, cluster), "no broker managed by this project was running"
        if cluster.answers():
            done += f"; the one that answers at {settings.bootstrap_servers} was not started by `up` and keeps running"
            if mode.by_hand:  # it may be the same stack, and its data in use
                done += ", with its data" if volumes else ""
                return f"{done}; if it was started by hand, stop it with: {mode.by_hand}"
        if volumes:
            mode.stop(volumes)
        return done + removed


def status(settings: Settings) -> tuple[bool, str]:
    """Whether a broker answers, and a sentence about it; in mode docker also about the containers.

    Of several brokers also a line for each partition: its leader, its replicas, and those in sync.
    """
    with Cluster.of(settings) as cluster:
        details = mode_of(settings, cluster).details
        if cluster.answers():
            topics = ", ".join(cluster.names()) or "none"
            partitions = cluster.partitions()
            several = len({number for each in partitions for number in each.replicas}) > 1
            lines = [f"\n  {each}" for each in partitions] if several else []
            return True, f"{attached(settings, cluster)}; topics: {topics}{details}{''.join(lines)}"
        with suppress(DockerError):
            if (known := answering(settings, cluster)) and not known.complete:
                details += f"; the processes of this project: {known.owner}"
    command = "python -m lib.infra up" + (f" --mode {settings.mode}" if settings.mode != Settings.mode else "")
    return False, f"no broker answers at {settings.bootstrap_servers}{details}; start one: {command}"


def attached(settings: Settings, cluster: Cluster) -> Broker:
    """The broker that answers: the one that an earlier `up` started, or an external one."""
    if known := answering(settings, cluster):
        return Broker(known.settings.bootstrap_servers, known.name, False, known.pid, 0, known.owner)
    return Broker(settings.bootstrap_servers, "external", False, None, 0, "not managed by this project")


def answering(settings: Settings, cluster: Cluster) -> Mode | None:
    """What an earlier `up` started at this address, if it still exists."""
    with suppress(DockerError):  # containers of this project do not answer where Docker does not
        known = managed(settings, cluster)
        return known if known and overlap(known, settings) else None
    return None


def overlap(known: Mode, settings: Settings) -> bool:
    """Whether the settings have one of its addresses."""
    return not set(hosts_and_ports(known.settings.bootstrap_servers)).isdisjoint(
        hosts_and_ports(settings.bootstrap_servers)
    )


def as_many(known: Mode, settings: Settings) -> bool:
    """Whether it has the number of brokers asked for; 1 stands for any number, because most programs need only one."""
    return settings.brokers in (1, known.settings.brokers)


def managed(settings: Settings, cluster: Cluster) -> Mode | None:
    """What an earlier `up` started, in its own mode, if it still exists; DockerError if Docker does not answer."""
    if not (known := State(settings).read()):
        return None
    brokers = len(known.nodes) - 1 if known.nodes else 1  # one of the nodes is the controller
    own = replace(settings, bootstrap_servers=known.bootstrap_servers, mode="embedded", brokers=brokers)
    if known.compose_file:
        own = replace(own, compose_file=Path(known.compose_file), mode="docker")
    mode = mode_of(own, cluster, known)
    return mode if mode.runs() else None


def mode_of(settings: Settings, cluster: Cluster, known: Started | None = None) -> Mode:
    """The object that starts and stops a broker in `settings.mode`. `known`: what an earlier `up` started."""
    # Imported here: `python -m lib.infra.java` and `.jars` warn if importing this package has imported them already.
    from lib.infra.modes import MODES
    from lib.infra.replicated import Replicated

    several = settings.mode == "embedded" and settings.brokers > 1
    return (Replicated if several else MODES[settings.mode])(settings, cluster, known)
