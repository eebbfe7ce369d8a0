"""Polling with a timeout, and an event that SIGTERM and Ctrl-C set."""

import queue
import signal
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
