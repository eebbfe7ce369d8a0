"""Notebook of a fault test: a real Jupyter kernel, whose cells start a producer and a consumer as a lesson does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from jupyter_client import KernelManager

from lib.producer.background import REPORT
from lib.settings import ROOT
from lib.wait import wait_until
from tests.faults.ledger import Orders, Sent
from tests.processes import gone

if TYPE_CHECKING:
    from tests.faults.world import World

CELL_SECONDS, END_SECONDS = 240, 60
START = """
import json
from pathlib import Path
from lib import consumer, infra
from lib.producer import start_producer
from lib.query import TrendQuery
from lib.settings import Settings
from lib.spark_session import spark_session
from lib.topics import Cluster

settings = Settings.from_environment()
assert not infra.up(settings).started, "it attaches to the broker that runs"
cluster = Cluster(settings.bootstrap_servers)
producer = start_producer(settings, {topic!r}, **{options!r})
print(producer.log_file)
"""
COUNT = """
spark = spark_session(settings)
query = TrendQuery(settings.window, settings.slide, settings.watermark)
messages = consumer.read_topic(spark, cluster, {topic!r}, "earliest")
running = consumer.start(messages, query, Path({output!r}), cluster, {topic!r})
"""
LONG_CELL = "import time\nprint('begun', flush=True)\ntime.sleep(600)"


class CellError(Exception):
    """A cell raised an error: its name and its text."""


class Notebook:
    """A kernel with a producer and, unless another one has it, the store's consumer."""

    def __init__(self, world: World) -> None:
        self.world, self.manager, self.client, self.log = world, None, None, None

    @property
    def running(self) -> bool:
        return self.manager is not None and self.manager.is_alive()

    @property
    def pid(self) -> int:
        return self.manager.provisioner.pid

    def family(self) -> list[psutil.Process]:
        """The kernel's process, its producer and its Spark."""
        kernel = psutil.Process(self.pid)
        return [kernel, *kernel.children(recursive=True)]

    def open(self) -> None:
        """Start a kernel, unless it runs."""
        if not self.running:
            self.manager = KernelManager(kernel_name="python3")
            self.manager.start_kernel(
                env=self.world.environment, cwd=str(ROOT / "notebooks"), stderr=subprocess.DEVNULL
            )
            self.connect()

    def connect(self) -> None:
        if self.client:
            self.client.stop_channels()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(END_SECONDS)

    def start(self) -> None:
        """Run its cells from the top, as after a restart of the kernel."""
        self.produce()
        before = self.world.last_batch()
        self.run(self.cell(COUNT))
        wait_until(lambda: self.world.last_batch() > before, CELL_SECONDS)

    def produce(self) -> None:
        """Start its kernel and its producer, not its consumer."""
        self.open()
        if not self.log or not self.sending():
            self.orders = Orders(self.world.random.randrange(10**6))
            self.log = Path(self.run(self.cell(START)).strip())

    def sending(self) -> bool:
        return self.run("print('producer' in globals() and producer.running)").strip() == "True"

    def refused(self) -> str:
        """The error with which its consumer does not start, though its producer does."""
        self.produce()
        try:
            self.run(self.cell(COUNT))
        except CellError as error:
            return str(error)
        raise RuntimeError("the notebook's consumer was not refused")

    def cell(self, text: str) -> str:
        return text.format(topic=self.world.topic, output=str(self.world.output), options=self.orders.options())

    def run(self, code: str) -> str:
        """What a cell prints; CellError if it fails."""
        printed = []
        answer = self.client.execute_interactive(
            code, timeout=CELL_SECONDS, output_hook=lambda m: printed.append(m["content"].get("text", ""))
        )["content"]
        if answer["status"] == "error":
            raise CellError(f"{answer['ename']}: {answer['evalue']}")
        return "".join(printed)

    def interrupt(self) -> None:
        """Interrupt a running cell, as Jupyter's button does: only the cell must end, and the producer still run.

        Whether the consumer still runs, the oracle sees: it waits for a micro-batch of after the fault.
        """

        def hear(message: dict) -> None:
            if message["content"].get("text") == "begun\n":
                threading.Thread(target=self.manager.interrupt_kernel).start()

        answer = self.client.execute_interactive(LONG_CELL, timeout=CELL_SECONDS, output_hook=hear)["content"]
        if answer.get("ename") != "KeyboardInterrupt" or not self.sending():
            raise RuntimeError(f"the interrupted cell ended with {answer}, or the producer with it")

    def restart(self) -> None:
        """Restart the kernel, as Jupyter's button does: what it had started must end."""
        family = self.family()
        self.manager.restart_kernel()
        self.gone(family)
        self.connect()

    def kill(self) -> None:
        """Kill the kernel, as the system does when memory runs out: what it had started must end."""
        family = self.family()
        os.kill(self.pid, signal.SIGKILL)
        self.gone(family)
        self.close()

    def gone(self, family: list[psutil.Process]) -> None:
        wait_until(lambda: all(gone(process.pid) for process in family), END_SECONDS)
        self.world.sent.append(self.account())

    def account(self) -> Sent:
        """What its producer, which has ended with the kernel, sent."""
        reports, self.log = REPORT.findall(self.log.read_text(errors="replace")), None
        return self.orders.killed(json.loads(reports[-1])["acked"] if reports else 0)

    def stop_sending(self) -> None:
        if self.running and self.log:
            self.log, summary = None, json.loads(self.run("print(json.dumps(producer.stop()))"))
            self.world.sent.append(self.orders.acknowledged(summary["acked"]))

    def stop(self) -> None:
        """Run its stop cell, and shut the kernel down."""
        self.stop_sending()
        self.close()

    def close(self) -> None:
        if self.manager:
            self.client.stop_channels()
            self.manager.shutdown_kernel(now=True)
            self.manager = self.client = self.log = None
