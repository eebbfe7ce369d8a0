"""Programs of a fault test: the broker, the producer and the consumer, each a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lib import infra
from lib.errors import BrokerError
from lib.settings import ROOT
from lib.wait import wait_until
from tests.faults.acknowledgements import acknowledged
from tests.faults.ledger import Orders
from tests.processes import gone, spark_of

if TYPE_CHECKING:
    from tests.faults.world import World

READY_SECONDS, END_SECONDS = 240, 60


class Broker:
    """The embedded broker."""

    def __init__(self, world: World) -> None:
        self.world, self.pid = world, 0

    def start(self) -> None:
        self.pid = infra.up(self.world.settings).pid

    def refused(self) -> str:
        """The error with which it does not start."""
        try:
            self.start()
        except BrokerError as error:
            return str(error)
        raise RuntimeError("the broker started")

    def stop(self) -> None:
        infra.down(self.world.settings)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: gone(self.pid), END_SECONDS)


class Program:
    """`python -m lib.NAME …`. Its output goes to files, because a pipe that nobody reads fills up."""

    name = ""

    def __init__(self, world: World) -> None:
        self.world, self.process = world, None
        self.out, self.err = (world.folder / f"{self.name}.{kind}" for kind in ("out", "err"))

    def command(self) -> list[str]:
        return [sys.executable, "-m", f"lib.{self.name}", "--topic", self.world.topic]

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        return self.process.pid

    def launch(self) -> None:
        """Start it, and do not wait until it works."""
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                self.command(), stdout=out, stderr=err, start_new_session=True, env=self.world.environment, cwd=ROOT
            )

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the program does what it is for; RuntimeError, with its last words, if it ends before."""
        wait_until(lambda: condition() or not self.running, READY_SECONDS)
        if not self.running:
            raise RuntimeError(f"the {self.name} has ended: {self.last_words()}")

    def last_words(self) -> str:
        return " / ".join(self.err.read_text(errors="replace").strip().splitlines()[-3:])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(END_SECONDS)

    def end(self) -> None:
        """Ask it to end by SIGTERM; RuntimeError unless it exits with 0."""
        self.process.terminate()
        if self.process.wait(END_SECONDS * 2):
            raise RuntimeError(f"the {self.name} ended with {self.process.returncode}: {self.last_words()}")

    stop = end


class Producer(Program):
    """An endless producer, which notes each acknowledgement in a file."""

    name = "producer"

    def command(self) -> list[str]:
        options = [text for name, value in self.orders.options().items() for text in (f"--{name}", str(value))]
        module = ["tests.faults.acknowledgements", str(self.notes)]
        return [sys.executable, "-m", *module, "--topic", self.world.topic, *options]

    @property
    def notes(self) -> Path:
        return self.world.folder / "acknowledgements"

    def start(self) -> None:
        if not self.running:
            self.orders, before = Orders(self.world.random.randrange(10**6)), self.world.stored()
            self.launch()
            self.wait_for(lambda: self.world.stored() > before)

    def kill(self) -> None:
        super().kill()
        places = acknowledged(self.notes)
        self.world.sent.append(self.orders.killed(len(places), places))

    def stop(self) -> None:
        if self.running:
            self.end()
            summary = json.loads(self.out.read_text().splitlines()[-1])
            self.world.sent.append(self.orders.acknowledged(summary["acked"], acknowledged(self.notes)))

    stop_sending = stop


class Consumer(Program):
    """The consumer, with a micro-batch every second."""

    name = "consumer"

    def command(self) -> list[str]:
        return [*super().command(), "--output", str(self.world.output), "--trigger", "1 second"]

    def start(self) -> None:
        if not self.running:
            before = self.world.last_batch()
            self.launch()
            self.wait_for(lambda: self.world.last_batch() > before)

    def spark(self) -> Spark:
        """Its Java process."""
        if found := spark_of(self.pid):
            return Spark(self, found.pid)
        raise RuntimeError("the consumer has no Java process")

    def refused(self) -> str:
        """The error with which it does not start."""
        self.launch()
        if self.process.wait(READY_SECONDS) != 1:
            raise RuntimeError(f"the consumer was not refused, but ended with {self.process.returncode}")
        return self.last_words()


class Spark:
    """The consumer's Java process, which can be killed alone."""

    def __init__(self, consumer: Consumer, pid: int) -> None:
        self.consumer, self.pid = consumer, pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.consumer.process.wait(END_SECONDS)  # it notices, and ends
        if "Spark's Java process" not in self.consumer.last_words():
            raise RuntimeError(f"the consumer did not tell why it ended: {self.consumer.last_words()}")
