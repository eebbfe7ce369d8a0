"""Engine of the fault tests: does a fault's actions to a world, and says how the run ended."""

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.faults.world import World

RUN_SECONDS = 600


class NotPermitted(Exception):
    """This machine does not allow a fault; says why."""


class OutOfTime(Exception):
    """A run took too long."""


@dataclass(frozen=True)
class Action:
    """Something that is done to a world."""

    name: str
    do: Callable[[World], None]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Fault:
    """A fault as data: actions, each with its own deadline. Run number K has the seed K, from 0."""

    name: str
    actions: tuple[Action, ...]
    runs: int
    short: bool  # whether one run is a part of `make test`


def fault(name: str, *actions: Action, runs: int = 1, short: bool = False) -> Fault:
    return Fault(name, actions, runs, short)


@dataclass
class Result:
    """One run: messages, checks that differed from the recount, and seconds from the fault to the first micro-batch
    with a message of after it; `problem`: why the run did not end."""

    fault: str
    seed: int
    acknowledged: int = 0
    counted: int = 0
    accounted: int = 0  # duplicates, late and malformed messages
    lost: int = 0
    surplus: int = 0
    wrong: int = 0
    recovery: float | None = None
    problem: str = ""
    not_permitted: str = ""

    @property
    def right(self) -> bool:
        return not (self.lost or self.surplus or self.wrong or self.problem)

    def __str__(self) -> str:
        line = f"{self.acknowledged:6,} acknowledged = {self.counted:6,} counted + {self.accounted:4,} accounted for"
        if self.recovery is not None:
            line += f"; recovered after {self.recovery:4.1f} s"
        if not self.right:
            line += f"; LOST {self.lost}, SURPLUS {self.surplus}, WRONG {self.wrong} {self.problem}"
        return (self.not_permitted and f"not run: {self.not_permitted}") or line


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """OutOfTime in this, the main thread, after so many seconds: whatever hangs, a run ends."""

    def late(*_) -> None:
        raise OutOfTime(f"the run did not end within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(world: World, fault: Fault, seed: int) -> Result:
    """Do a fault's actions to a world. After a run that is not right, or with another counting program, the next one
    gets a new stream."""
    result = Result(fault.name, seed)
    cast = "notebook" if any("notebook" in str(action) for action in fault.actions) else "consumer"
    if world.cast not in (None, cast):
        world.new_stream()
    world.cast, world.random, world.result, world.struck = cast, random.Random(seed), result, None
    action = None
    try:
        with deadline(RUN_SECONDS):
            for action in fault.actions:
                action.do(world)
    except NotPermitted as reason:
        result.not_permitted = str(reason)
    except Exception as error:
        result.problem = f"at '{action}': {type(error).__name__}: {error}"
    if not result.right:
        world.new_stream()
    return result
