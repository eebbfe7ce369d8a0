"""Heap of Spark's driver: the memory of its Java objects."""

from lib.spark_session import running_gateway


def used_mb() -> float:
    """The memory, in MB, of the objects that are in use. Lets Java remove all others before, which stops it shortly."""
    jvm = running_gateway().jvm
    jvm.System.gc()
    runtime = jvm.Runtime.getRuntime()
    return (runtime.totalMemory() - runtime.freeMemory()) / 1e6
