"""State file of the broker that `up` started (build/broker/state.json), and the lock that `up` and `down` take."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from filelock import FileLock, Timeout

from lib.errors import BrokerError
from lib.settings import Settings


class Started(NamedTuple):
    """A process, or the containers of a Compose file, that `up` started."""

    pid: int | None
    bootstrap_servers: str
    compose_file: str | None = None


class State:
    """The state file of a build folder: other programs read it to attach, and `down` stops what it names."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.path = settings, settings.build_dir / "broker" / "state.json"

    def read(self) -> Started | None:
        """The record; None if there is none, or it cannot be read."""
        try:
            return Started(**json.loads(self.path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, started: Started) -> None:
        """Replace the file atomically: no reader sees half of it."""
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(started._asdict()))
        draft.replace(self.path)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let one `up` or `down` run at a time; others wait. BrokerError if that takes too long."""
        path = self.settings.folder("broker") / "lock"
        try:
            with FileLock(path, timeout=self.settings.ready_seconds + 30):
                yield
        except Timeout:
            what = "another `up` or `down` has been running for too long"
            raise BrokerError(what, "find that process, and end it", lock=path) from None
