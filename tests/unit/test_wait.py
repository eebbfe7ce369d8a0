"""Signals to stop: one or a thousand of them set the event, and none hangs the program."""

import signal
import subprocess
import sys
import time

# The main thread gets the signal while it holds the event's lock, as for a moment in each call of wait() or set().
LOCKED = """
import os, signal
from lib.wait import stop_signal
stop = stop_signal()
with stop._cond:
    os.kill(os.getpid(), signal.SIGTERM)
print("stopped" if stop.wait(10) else "running")
"""
FLOODED = """
import time
from lib.wait import stop_signal
stop = stop_signal()
print("ready", flush=True)
end = time.monotonic() + 2
while time.monotonic() < end:
    stop.is_set(), stop.wait(0.0001), stop.set()
print("stopped" if stop.is_set() else "running")
"""


def test_many_signals_stop_a_program_and_never_hang_it():
    with subprocess.Popen([sys.executable, "-c", FLOODED], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout.readline() == "ready\n"
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            program.send_signal(signal.SIGTERM), program.send_signal(signal.SIGINT)
        try:
            assert program.communicate(timeout=20)[0] == "stopped\n"
        finally:
            program.kill()
    assert program.returncode == 0


def test_a_signal_may_come_at_any_moment():
    done = subprocess.run([sys.executable, "-c", LOCKED], capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr, done.returncode) == ("stopped\n", "", 0)
