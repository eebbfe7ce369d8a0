"""Heap of Spark's driver: the memory of its Java objects."""

from lib.spark_session import running_gateway

POOLS = ("Survivor Space", "Tenured Gen")  # of Java's serial collector, which `spark_session` chooses


def collect() -> None:
    """Let Java remove the objects that nobody uses any more."""
    running_gateway().jvm.System.gc()


def survivors_mb() -> float:
    """The memory, in MB, of the objects that have survived a garbage collection.

    New objects do not count: most of them are garbage already. Some old ones may be, too, since the last `collect`.
    """
    pools = running_gateway().jvm.java.lang.management.ManagementFactory.getMemoryPoolMXBeans()
    return sum(pool.getUsage().getUsed() for pool in pools if pool.getName() in POOLS) / 1e6
