"""TCP ports of this machine: whether one is open, which program listens on it, and a free one."""

import socket

import psutil

LOOPBACK = ("localhost", "127.0.0.1")


def is_open(port: int) -> bool:
    """Whether something listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def owner(port: int) -> str:
    """The program that listens on a port; "another program" if the system hides it, as it does another user's."""
    try:
        pids = [c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port]
        pid = next(filter(None, pids))
        return f"{psutil.Process(pid).name()} (process {pid})"
    except (psutil.Error, StopIteration):
        return "another program"
