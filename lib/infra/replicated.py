"""Several embedded brokers: a controller and the brokers, each a Java process on this machine.

The controller is a process of its own, so the cluster keeps its metadata whichever broker is killed. A topic has three
replicas by default, and a message with `acks=all` needs two in sync. Everything listens on 127.0.0.1 only.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import psutil

from lib.errors import BrokerError
from lib.infra import embedded, ports, process
from lib.infra.modes import Embedded
from lib.infra.state import Node, Started, State
from lib.settings import Settings, hosts_and_ports
from lib.topics import Cluster
from lib.wait import wait_until

CONTROLLER = 100  # its number; the brokers are 1, 2, 3


class Replicated(Embedded):
    """`settings.brokers` brokers and a controller. `start` starts those that do not run."""

    def __init__(self, settings: Settings, cluster: Cluster, known: Started | None = None) -> None:
        super().__init__(settings, cluster)
        self.nodes = list(known.nodes) if known else []

    @property
    def brokers(self) -> list[Node]:
        return [node for node in self.nodes if node.number != CONTROLLER]

    def start(self, state: State) -> bool:
        first = not self.nodes
        if first:
            chosen = chosen_ports(self.settings)
            self.nodes = [Node(number, next(chosen)) for number in (CONTROLLER, *range(1, self.settings.brokers + 1))]
        addresses = (f"{self.settings.host}:{node.port}" for node in self.brokers)
        self.settings = replace(self.settings, bootstrap_servers=",".join(addresses))
        missing = [place for place, node in enumerate(self.nodes) if not self.process_of(node)]
        with ThreadPoolExecutor() as pool:  # the first time each prepares its folder, which takes a second
            commands = list(pool.map(self.command, (self.nodes[place] for place in missing)))
        for place, command in zip(missing, commands, strict=True):
            pid = process.start(command, self.folder_of(self.nodes[place]))
            self.nodes[place] = self.nodes[place]._replace(pid=pid)
            state.write(Started(None, self.settings.bootstrap_servers, nodes=tuple(self.nodes)))
        if not self.comes_up():
            started = [self.nodes[place] for place in missing]
            ended = [node for node in started if not self.process_of(node)]
            folder = self.folder_of((ended or started or self.nodes)[0])
            error = embedded.not_ready(self.settings, folder, ended=bool(ended))
            process.end(*map(self.process_of, started))
            if first:
                state.forget()
            raise error
        return bool(missing)

    def command(self, node: Node) -> list:
        """The command of a node, whose folder it prepares."""
        controller = self.nodes[0]
        roles = {"process.roles": "controller", "listeners": f"CONTROLLER://127.0.0.1:{node.port}"}
        if node != controller:
            listener = f"PLAINTEXT://127.0.0.1:{node.port}"
            advertised = f"PLAINTEXT://{self.settings.host}:{node.port}"
            roles = {"process.roles": "broker", "listeners": listener, "advertised.listeners": advertised}
        voters = f"{controller.number}@127.0.0.1:{controller.port}"
        own = {"node.id": node.number, "controller.quorum.voters": voters} | roles
        text = embedded.as_text(own | embedded.common_properties(self.settings))
        return embedded.node_command(self.settings, self.folder_of(node), text)

    def comes_up(self) -> bool:
        """Wait until each broker answers and knows all others; False if a process ends first or it takes too long."""
        with ExitStack() as stack:
            addresses = self.settings.bootstrap_servers.split(",")
            clusters = [stack.enter_context(Cluster(each, self.settings.answer_seconds)) for each in addresses]
            with suppress(TimeoutError):
                wait_until(
                    lambda: all(map(self.knows_all, clusters)) or not self.complete,
                    self.settings.ready_seconds,
                    every=0.1,
                )
            return self.complete and all(map(self.knows_all, clusters))

    def knows_all(self, cluster: Cluster) -> bool:
        """Whether one broker answers, and says that all of them take part."""
        with suppress(BrokerError):
            if cluster.answers():
                found = cluster.ask(lambda client: client.describe_cluster())["brokers"]
                return sum(not broker["is_fenced"] for broker in found) == len(self.brokers)
        return False

    def folder_of(self, node: Node) -> Path:
        return self.folder / ("controller" if node.number == CONTROLLER else f"broker-{node.number}")

    def process_of(self, node: Node) -> psutil.Process | None:
        return process.find(node.pid, self.folder_of(node) / "server.properties")

    def runs(self) -> bool:
        return any(map(self.process_of, self.nodes))

    @property
    def complete(self) -> bool:
        return all(map(self.process_of, self.nodes))

    @property
    def owner(self) -> str:
        names = {node: "controller" if node.number == CONTROLLER else f"broker {node.number}" for node in self.nodes}
        texts = (
            f"{names[node]}: {f'process {node.pid}' if self.process_of(node) else 'not running'}" for node in names
        )
        return ", ".join(texts)

    def stop(self, volumes: bool = False) -> str:
        process.end(*map(self.process_of, self.brokers))  # before the controller, which they tell that they leave
        process.end(*map(self.process_of, self.nodes))
        if volumes:
            for folder in (self.folder / "controller", *self.folder.glob("broker-*")):
                shutil.rmtree(folder, ignore_errors=True)
        return f"{len(self.brokers)} brokers and their controller stopped"


def chosen_ports(settings: Settings) -> Iterator[int]:
    """The controller's port, any free one, then the brokers': those of the addresses, and free ones for the rest.

    The port after the last one is preferred. Raises BrokerError if the port of an address is taken.
    """
    yield ports.free_port()
    port = 0
    for _, port in hosts_and_ports(settings.bootstrap_servers)[: settings.brokers]:
        if ports.is_open(port):
            raise embedded.taken(port)
        yield port
    while True:
        port = ports.free_port() if ports.is_open(port + 1) else port + 1
        yield port
