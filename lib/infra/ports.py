"""TCP ports of this machine: whether one is open, which program listens on it, and a free one."""

import random
import socket
from contextlib import suppress

import psutil

LOOPBACK = ("localhost", "127.0.0.1")


def is_open(port: int) -> bool:
    """Whether something listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now.

    Below 32768, from where on Linux takes the ports of outgoing connections: one of them could take it in the meantime.
    """
    while True:
        with socket.socket() as probe, suppress(OSError):
            port = random.randrange(20_000, 32_768)
            probe.bind(("127.0.0.1", port))
            return port


def owner(port: int) -> str:
    """The program that listens on a port; "another program" if the system hides it, as it does another user's."""
    try:
        pids = [c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port]
        pid = next(filter(None, pids))
        return f"{psutil.Process(pid).name()} (process {pid})"
    except (psutil.Error, StopIteration):
        return "another program"
