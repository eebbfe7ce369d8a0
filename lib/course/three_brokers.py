"""Three brokers and a controller of a lesson's own, whose brokers are killed, stopped and suspended."""

import atexit
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psutil

from lib import infra
from lib.errors import BrokerError
from lib.infra import process
from lib.infra.ports import free_port
from lib.infra.replicated import Replicated
from lib.infra.state import State
from lib.settings import Settings
from lib.topics import Cluster
from lib.topics.cluster import Partition
from lib.wait import wait_until

WAIT_SECONDS = 60


class ThreeBrokers:
    """Processes in a folder of the build folder, at free ports: no other broker is touched.

    `settings` have their addresses, and `cluster` asks them. Data of an earlier run are removed. They are stopped at
    the end of this program at the latest.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        own = {"brokers": 3, "bootstrap_servers": f"localhost:{free_port()}", "mode": "embedded"}
        self.settings = replace(settings.without_security(), build_dir=settings.build_dir / name, **own)
        self.kills: list[int] = []
        infra.down(self.settings, volumes=True)
        atexit.register(self.down)

    def up(self) -> None:
        """Start those that do not run, and wait until all replicas are in sync. May raise what `infra.up` raises."""
        broker = infra.up(self.settings)
        self.settings = replace(self.settings, bootstrap_servers=broker.bootstrap_servers)
        self.cluster = Cluster.of(self.settings)
        self.wait(lambda each: len(each.in_sync) == len(each.replicas))

    def down(self) -> None:
        """Stop all processes and remove their data. Safe to call twice."""
        infra.down(self.settings, volumes=True)

    def process(self, number: int) -> psutil.Process:
        """The process of a broker, 1 to 3; BrokerError if it does not run."""
        three = Replicated(self.settings, self.cluster, State(self.settings).read())
        found = next((three.process_of(node) for node in three.brokers if node.number == number), None)
        if not found:
            raise BrokerError(f"broker {number} does not run", "start those that do not: call up()", broker=number)
        return found

    def kill(self, number: int) -> None:
        """Kill a broker as by `kill -9`: it closes nothing, and tells nobody. `kills` has the times (ms since 1970)."""
        broker = self.process(number)
        self.kills.append(round(time.time() * 1000))
        end(broker, signal.SIGKILL)

    def stop(self, number: int) -> None:
        """Stop a broker in good order: it tells the controller that it leaves."""
        end(self.process(number), signal.SIGTERM)

    @contextmanager
    def suspended(self, numbers: Collection[int]) -> Iterator[None]:
        """Let brokers stand still during the `with` block."""
        brokers = [self.process(number) for number in numbers]
        try:
            for broker in brokers:
                broker.suspend()
            for broker in brokers:  # under load its threads run for some more milliseconds
                wait_until(lambda broker=broker: broker.status() == psutil.STATUS_STOPPED, WAIT_SECONDS, every=0.01)
            yield
        finally:
            for broker in brokers:
                broker.resume()

    def partitions(self, topic: str) -> list[Partition]:
        """The partitions of a topic, with their leaders and in-sync replicas."""
        return [each for each in self.cluster.partitions() if each.topic == topic]

    def wait(self, test: Callable[[Partition], bool], topic: str | None = None) -> None:
        """Wait until `test` holds for each partition of the topic, by default of all topics."""

        def holds() -> bool:
            with suppress(BrokerError):  # a broker that has just ended may be asked
                return all(test(each) for each in self.cluster.partitions() if topic in (None, each.topic))
            return False

        wait_until(holds, WAIT_SECONDS, every=0.2)


def end(broker: psutil.Process, by: signal.Signals) -> None:
    """Send a signal to a broker's process, and wait until it has ended."""
    broker.send_signal(by)
    wait_until(lambda: not process.alive(broker), WAIT_SECONDS)
