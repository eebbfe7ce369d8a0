"""Actions of the fault tests: produce, send, start, stop, kill, pause, interrupt, restart, break, mend, check, and
refused."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import psutil
from kafka import KafkaProducer

from lib.tweets import Message
from lib.wait import wait_until
from tests.faults import oracle
from tests.faults.ledger import Orders, Sent
from tests.faults.scenario import Action, NotPermitted
from tests.faults.world import World
from tests.processes import gone


def start(name: str) -> Action:
    """Start a program, unless it runs, and wait until it works: it answers, sends, or has counted a micro-batch."""
    return Action(f"start {name}", lambda world: world.program(name).start())


def launch(name: str) -> Action:
    """Start a program, and do not wait until it works."""
    return Action(f"launch {name}", lambda world: world.program(name).launch())


def stop(name: str) -> Action:
    """Ask a program to end (SIGTERM; a notebook by its stop cell), and wait for it."""

    def do(world: World) -> None:
        world.strike()
        world.program(name).stop()

    return Action(f"stop {name}", do)


def kill(name: str, within: float = 0, in_a_batch: bool = False) -> Action:
    """Kill a program (SIGKILL), at a random moment of the next seconds, and wait until it is gone. `in_a_batch`: as
    soon as a micro-batch is planned, which the next start has to repeat."""

    def do(world: World) -> None:
        threading.Event().wait(world.random.uniform(0, within))
        if in_a_batch:
            wait_until(world.in_a_batch, 60, every=0.001)
        world.strike()
        world.program(name).kill()

    return Action(f"kill {name}", do)


def pause(name: str, seconds: float) -> Action:
    """Suspend a program (SIGSTOP) for so long."""

    def do(world: World) -> None:
        process = psutil.Process(world.program(name).pid)
        world.strike()
        process.suspend()
        try:
            threading.Event().wait(seconds)
        finally:
            process.resume()

    return Action(f"pause {name}", do)


def interrupt(name: str) -> Action:
    """Interrupt a notebook's kernel while a cell runs."""

    def do(world: World) -> None:
        world.strike()
        world.program(name).interrupt()

    return Action(f"interrupt {name}", do)


def restart(name: str) -> Action:
    """Restart a notebook's kernel."""

    def do(world: World) -> None:
        world.strike()
        world.program(name).restart()

    return Action(f"restart {name}", do)


def produce(count: int, clock_minutes: float = 0, verdict: str | None = None) -> Action:
    """Send tweets; `clock_minutes` is how far the sender's clock is ahead, `verdict` what they have to become."""

    def do(world: World) -> None:
        wait_until(lambda: world.last_batch() >= 2, 60)  # from the third micro-batch on a tweet can be late
        flaws = {"late": 0, "duplicates": 0, "malformed": 0}
        orders = Orders(world.random.randrange(10**6), clock_minutes, **flaws)
        send_all(world, orders.first(count), verdict)

    return Action(f"produce {count}", do)


def send(messages: Callable[[], list[Message]]) -> Action:
    """Send these messages, which a function makes, so that they are dated now."""
    return Action(f"send {messages.__name__}", lambda world: send_all(world, messages()))


def send_all(world: World, messages: list[Message], verdict: str | None = None) -> None:
    with KafkaProducer(bootstrap_servers=world.settings.bootstrap_servers, max_request_size=4_000_000) as client:
        pending = [client.send(world.topic, message.value, message.key) for message in messages]
        client.flush(60)
        world.sent.append(Sent(messages, sum(each.succeeded() for each in pending), verdict))


def break_(what: str) -> Action:
    """Break the disk (it is full), the port (another program listens on it), or the topic (it is recreated)."""
    return Action(f"break {what}", {"disk": fill_disk, "port": take_port, "topic": recreate_topic}[what])


def fill_disk(world: World) -> None:
    if world.not_mounted:
        raise NotPermitted(world.not_mounted)
    world.strike()
    with open(world.disk / "filler", "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    wait_until(lambda: gone(world.program("broker").pid), 60)  # it cannot store anything any more


def take_port(world: World) -> None:
    world.taken = socket.create_server(("127.0.0.1", world.settings.port))


def recreate_topic(world: World) -> None:
    world.cluster.delete(world.topic)
    world.cluster.create(world.topic, partitions=2)
    world.cast = "nobody any more"


def mend(what: str) -> Action:
    """Give the disk its space back, or free the port."""

    def do(world: World) -> None:
        (world.disk / "filler").unlink() if what == "disk" else world.taken.close()

    return Action(f"mend {what}", do)


def refused(name: str, words: str) -> Action:
    """Start a program, which must refuse with an error that has these words."""

    def do(world: World) -> None:
        told = world.program(name).refused()
        if words not in told:
            raise RuntimeError(f"{name} refused with: {told}")

    return Action(f"refused {name}", do)


check = Action("check", oracle.check)
