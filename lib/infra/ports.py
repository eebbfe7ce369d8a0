"""Around the topic: who listens at a port of this machine."""

import psutil


def owner(port: int) -> str:
    """The program that listens at a port, as far as the system tells: another user's it may keep to itself."""
    try:
        pids = [c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port]
        pid = next(filter(None, pids))
        return f"{psutil.Process(pid).name()} (process {pid})"
    except (psutil.Error, StopIteration):
        return "another program"
