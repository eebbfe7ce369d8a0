"""State file of what `up` started, such as build/broker/state.json, and the lock that `up` and `down` take."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, Self, TypeVar

from filelock import FileLock, Timeout

from lib.errors import BrokerError
from lib.settings import Settings

T = TypeVar("T", bound=NamedTuple)


class Node(NamedTuple):
    """One Kafka process of several: its number in Kafka, its port, and its process id once it has one."""

    number: int
    port: int
    pid: int | None = None


class Started(NamedTuple):
    """What `up` started: a process, the containers of a Compose file, or several processes, the controller first."""

    pid: int | None
    bootstrap_servers: str
    compose_file: str | None = None
    nodes: tuple[Node, ...] = ()

    @classmethod
    def from_json(cls, nodes: Sequence[Sequence[int | None]] = (), **fields: Any) -> Self:
        """From the fields as JSON has them: each node is a list."""
        return cls(**fields, nodes=tuple(Node(*node) for node in nodes))

    def pid_of(self, number: int) -> int | None:
        """The process id of the node with this number in Kafka."""
        return next(node.pid for node in self.nodes if node.number == number)


class State(Generic[T]):
    """The state file of a folder in build: other programs read it to attach, and `down` stops what it names.

    `record` makes the record, a named tuple, from its fields.
    """

    def __init__(self, settings: Settings, name: str = "broker", record: Callable[..., T] = Started.from_json) -> None:
        self.settings, self.name, self.record = settings, name, record
        self.path = settings.build_dir / name / "state.json"

    def read(self) -> T | None:
        """The record; None if there is none, or it cannot be read."""
        try:
            return self.record(**json.loads(self.path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, started: T) -> None:
        """Replace the file atomically: no reader sees half of it."""
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(started._asdict()))
        draft.replace(self.path)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let one `up` or `down` run at a time; others wait. BrokerError if that takes too long."""
        path = self.settings.folder(self.name) / "lock"
        try:
            with FileLock(path, timeout=self.settings.ready_seconds + 30):
                yield
        except Timeout:
            what = "another `up` or `down` has been running for too long"
            raise BrokerError(what, "find that process, and end it", lock=path) from None
