"""Classes that start and stop a broker, one for each mode: embedded (a Java process), docker, external."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import NoReturn

import psutil

from lib.errors import AccessError, BrokerError, DockerError, SettingError
from lib.infra import embedded, ports, process, secured
from lib.infra.compose import Stack
from lib.infra.docker import require_compose, require_memory
from lib.infra.jars import jars
from lib.infra.java import find_java
from lib.infra.state import Started, State
from lib.security import OPEN
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import wait_until


class Mode(ABC):
    """One way to get a broker at `settings.bootstrap_servers`. `known`: what an earlier `up` started, if it did."""

    name: str
    owner: str  # who runs the broker, for a message
    complete = True  # whether all of it runs, as far as it can be started
    by_hand = ""  # the command that stops such a broker if it was started by hand
    details = ""  # what `status` adds to its sentence

    def __init__(self, settings: Settings, cluster: Cluster, known: Started | None = None) -> None:
        self.settings, self.cluster, self.pid = settings, cluster, known and known.pid
        self.folder = settings.build_dir / "broker"

    def prepare(self) -> None:  # noqa: B027
        """Check and download what a start needs. May take minutes, so it runs before the lock is taken."""

    @abstractmethod
    def start(self, state: State) -> bool:
        """Start the broker and wait until it answers; False if it was starting already.

        What it starts is recorded in `state` at once. After an error nothing of it runs, and nothing is recorded.
        """

    @abstractmethod
    def runs(self) -> bool:
        """Whether what `up` started still exists; DockerError if it is containers and Docker does not answer."""

    @abstractmethod
    def stop(self, volumes: bool = False) -> str:
        """Stop what `up` started, if it runs, and with `volumes` remove its data. Returns what was stopped."""


class External(Mode):
    """A broker that somebody else runs."""

    name = "external"
    owner = "not managed by this project"

    def start(self, state: State) -> bool:
        self.cluster.names()  # BrokerError if no broker answers
        return False

    def runs(self) -> bool:
        return False

    def stop(self, volumes: bool = False) -> str:
        return "nothing stopped"


class Embedded(Mode):
    """A Java process on this machine."""

    name = "embedded"

    def prepare(self) -> None:
        if self.settings.host not in ports.LOOPBACK:
            raise BrokerError(
                f"the embedded broker runs on this machine only, not at {self.settings.bootstrap_servers}",
                "set STREAM_MODE=external for a broker elsewhere, or STREAM_BOOTSTRAP_SERVERS=localhost:9092",
                address=self.settings.bootstrap_servers,
            )
        if self.settings.security != OPEN:
            secured.check(self.settings, self.folder)
        find_java(self.settings), jars("broker")

    def start(self, state: State) -> bool:
        known = self.runs() and (self.comes_up() or self.runs())  # a process that was ending has ended by now
        if not known:
            if self.cluster.port_is_open():
                raise embedded.taken(self.settings.port)
            self.pid = embedded.start(self.settings, self.folder)
            state.write(Started(self.pid, self.settings.bootstrap_servers))
            try:
                self.comes_up()
            except AccessError:  # its users are those of its data
                self.stop()
                state.forget()
                raise
        if not self.cluster.answers():
            self.give_up(state)
        return not known

    def comes_up(self) -> bool:
        """Wait until the broker answers; False if it ends first or takes too long."""
        with suppress(TimeoutError):
            wait_until(lambda: self.cluster.answers() or not self.runs(), self.settings.ready_seconds, every=0.1)
        return self.cluster.answers()

    def give_up(self, state: State) -> NoReturn:
        """End a broker that does not answer, and raise BrokerError with the last lines of its log."""
        error = embedded.not_ready(self.settings, self.folder, ended=not self.runs())
        self.stop()
        state.forget()
        raise error

    @property
    def owner(self) -> str:
        return f"process {self.pid}"

    def process(self) -> psutil.Process | None:
        return process.find(self.pid, self.folder / "server.properties")

    def runs(self) -> bool:
        return self.process() is not None

    def stop(self, volumes: bool = False) -> str:
        process.end(self.process())
        if volumes:
            for part in ("data", secured.KEYS):
                shutil.rmtree(self.folder / part, ignore_errors=True)
        return f"broker stopped (process {self.pid})"


@contextmanager
def advertising(settings: Settings, address: str) -> Iterator[None]:
    """An embedded broker that gives its clients `address`, right or wrong, until the `with` block ends.

    It is not ready yet when the block begins: with a wrong address it answers only the first request of a client, so
    `up` would wait in vain. The broker of the same folder is stopped first. Raises what `up` raises.
    """
    settings, state = replace(settings, mode="embedded"), State(settings)
    with Cluster.of(settings) as cluster:
        mode = Embedded(settings, cluster)
        mode.prepare()
        try:
            with state.lock():
                if known := state.read():
                    Embedded(settings, cluster, known).stop()
                mode.pid = embedded.start(settings, mode.folder, address)
                state.write(Started(mode.pid, settings.bootstrap_servers))
            yield
        finally:
            mode.stop()
            state.forget()


class Compose(Mode):
    """The containers of `settings.compose_file`."""

    name = "docker"
    owner = "containers"

    def __init__(self, settings: Settings, cluster: Cluster, known: Started | None = None) -> None:
        super().__init__(settings, cluster, known)
        self.stack = Stack(settings.compose_file)
        self.by_hand = self.stack.typed("down")

    def prepare(self) -> None:
        stack, address = self.stack, self.settings.bootstrap_servers
        if self.settings.host not in ports.LOOPBACK or self.settings.port not in stack.ports:
            raise SettingError(
                f"the containers of {stack.file.name} do not answer at {address}: they publish "
                + ", ".join(f"localhost:{port}" for port in stack.ports),
                "unset STREAM_BOOTSTRAP_SERVERS, or for a broker elsewhere: STREAM_MODE=external",
                option="STREAM_BOOTSTRAP_SERVERS", value=address,
            )  # fmt: skip
        if self.settings.security != OPEN:
            raise SettingError(
                f"the containers of {stack.file.name} are open brokers, without TLS and users",
                "unset STREAM_SECURITY_PROTOCOL, or for a broker elsewhere: STREAM_MODE=external",
                option="STREAM_SECURITY_PROTOCOL", value=self.settings.security_protocol,
            )  # fmt: skip
        require_memory(stack.memory_mb, stack.file.name)
        require_compose()
        stack.pull()

    def start(self, state: State) -> bool:
        known = state.read() is not None
        if not known:
            self.stack.refuse_taken_ports()
            state.write(Started(None, self.settings.bootstrap_servers, str(self.stack.file)))
        try:
            self.stack.up(self.cluster, self.settings.ready_seconds)
        except (BrokerError, DockerError):
            with suppress(DockerError):
                log = self.stack.compose("logs", "--no-color", "--tail", "200").stdout
                (self.folder / "docker.log").write_text(log, encoding="utf-8")
            with suppress(DockerError):
                self.stop()
            state.forget()
            raise
        return not known

    def runs(self) -> bool:
        return bool(self.stack.containers())

    def stop(self, volumes: bool = False) -> str:
        return f"containers stopped and removed ({self.stack.down(volumes)})"

    @property
    def details(self) -> str:
        try:
            return f"; containers: {', '.join(map(str, self.stack.containers())) or 'none'}"
        except DockerError as error:
            return f"; {error.what}"


MODES = {mode.name: mode for mode in (Embedded, Compose, External)}
