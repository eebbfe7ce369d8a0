"""World of a fault test: a broker at a port and in a folder of its own, a stream, and the programs that work on it."""

import os
import shutil
import subprocess
import time
from contextlib import ExitStack, suppress
from datetime import UTC
from pathlib import Path

import psutil
import sqlalchemy as sa

from lib import infra
from lib.consumer.checkpoint import last_number
from lib.consumer.store import BATCHES, Store
from lib.infra.ports import free_port
from lib.query import TrendQuery
from lib.settings import Settings
from lib.topics import Cluster
from tests.faults.ledger import Sent
from tests.faults.notebook import Notebook
from tests.faults.programs import Broker, Consumer, Producer

DISK_MB = 300
KINDS = {
    "broker": Broker, "producer": Producer, "consumer": Consumer, "notebook": Notebook, "second notebook": Notebook
}  # fmt: skip


class World:
    """A broker at a port and in a folder of its own, a stream (topic and store), and the programs that work on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = {"STREAM_BUILD_DIR": str(folder), "STREAM_BOOTSTRAP_SERVERS": f"localhost:{free_port()}"}
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_")} | own
        self.settings = Settings.from_environment(own)
        self.cluster = Cluster(self.settings.bootstrap_servers)
        self.disk = self.settings.folder("broker")
        self.query = TrendQuery(self.settings.window, self.settings.slide, self.settings.watermark)
        self.streams = 0

    def __enter__(self) -> "World":
        self.not_mounted = mount(self.disk)
        try:
            self.new_stream()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End everything and unmount the disk, each of them even where the one before fails."""
        with ExitStack() as last_first:
            if not self.not_mounted:
                last_first.callback(subprocess.run, ["umount", "--lazy", self.disk], check=True)
            last_first.callback(infra.down, self.settings)
            last_first.callback(self.cluster.close)
            last_first.callback(self.end_programs)

    def new_stream(self) -> None:
        """End the programs, and begin with an empty topic and store. The broker stays."""
        self.end_programs()
        (self.disk / "filler").unlink(missing_ok=True)
        self.programs = {"broker": Broker(self)}
        self.programs["broker"].start()
        self.streams += 1
        self.topic, self.output = f"faults-{self.streams}", self.folder / f"out-{self.streams}"
        self.cluster.create(self.topic, partitions=2)
        self.store = Store(self.output / "trends.db")
        self.sent: list[Sent] = []  # since the last check
        self.checked = self.cluster.offsets(self.topic)
        self.struck: tuple[float, int] | None = None
        self.cast: str | None = None  # what counts the stream: a consumer or a notebook; None as long as it is empty

    def end_programs(self) -> None:
        """Kill what still runs, except the broker, and close the store."""
        for program in getattr(self, "programs", {}).values():
            if isinstance(program, Broker) or not program.running:
                continue
            children = psutil.Process(program.pid).children(recursive=True)
            program.close() if isinstance(program, Notebook) else program.kill()
            for process in children:
                with suppress(psutil.Error):  # it has ended
                    process.kill()
        if hasattr(self, "store"):
            self.store.close()

    def program(self, name: str):
        """The program of that name; "spark" is the consumer's Java process."""
        if name == "spark":
            return self.programs["consumer"].spark()
        if name not in self.programs:
            self.programs[name] = KINDS[name](self)
        return self.programs[name]

    def strike(self) -> None:
        """Remember when the first fault since the last check happens, and how many messages the topic has then."""
        self.struck = self.struck or (time.time(), self.stored())

    def stored(self) -> int:
        return sum(self.cluster.offsets(self.topic).values())

    def batches(self, columns: str) -> list[tuple]:
        """Columns of the store's micro-batches; none before the store exists."""
        try:
            with self.store.engine.connect() as connection:
                return connection.execute(sa.select(*(BATCHES.c[c] for c in columns.split())).order_by("batch")).all()
        except sa.exc.OperationalError:
            return []

    def last_batch(self) -> int:
        """The number of the newest micro-batch; -1 before the first."""
        return max((number for (number,) in self.batches("batch")), default=-1)

    def in_a_batch(self) -> bool:
        """Whether a micro-batch is planned and not yet stored."""
        return last_number(self.output / "checkpoint", "offsets") > self.last_batch()

    def recovery(self) -> float | None:
        """Seconds from the fault to the first micro-batch that was planned after it and has a message of after it."""
        when, stored = self.struck
        for begun, seconds, ends in self.batches("begun seconds ends"):
            planned = begun.replace(tzinfo=UTC).timestamp()
            if planned > when and sum(ends.values()) > stored:
                return planned + seconds - when
        return None


def mount(folder: Path) -> str:
    """Give a folder a small file system of its own, which can be filled; why not, if that is not permitted."""
    if not shutil.which("mount"):
        return "there is no command mount"
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    return f"needs permission to mount a small disk ({done.stderr.strip()})" if done.returncode else ""
