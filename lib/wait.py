"""Polling with a timeout, and what a signal does: set an event, or end the program."""

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float, every: float = 0.05) -> T:
    """Call `condition` every `every` seconds and return its first true value; TimeoutError after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not true after {seconds:g} s")
        time.sleep(every)


def stop_signal() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set, however often they come. To be called in the main thread.

    A handler interrupts the main thread, which may just hold the event's lock: that would be a deadlock. So it
    only wakes up a thread that sets the event.
    """
    stop, signals = threading.Event(), queue.SimpleQueue()

    def tell(*_) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # one is enough; a flood of them would interrupt this very function
        signals.put(None)  # the one queue that a handler may use: its put() can be interrupted by itself

    threading.Thread(target=lambda: (signals.get(), stop.set()), daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    return stop


def exit_on_signals() -> None:
    """Let SIGTERM and SIGHUP raise SystemExit, so that a `finally` can stop the broker that this program started.

    For a program whose main thread executes notebooks, and cannot ask an event. A closed terminal or a CI's time limit
    must not leave a broker running.
    """
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):  # Windows has no SIGHUP
        signal.signal(number, lambda number, _: sys.exit(128 + number))
