"""Heap of Spark's driver: the memory that its Java objects take."""

from lib.spark_session import running_gateway


def used_mb(collect: bool = False) -> float:
    """The used heap in MB, with the objects that Java has not collected yet; `collect` asks it to do so before."""
    jvm = running_gateway().jvm
    if collect:
        jvm.System.gc()
    runtime = jvm.Runtime.getRuntime()
    return (runtime.totalMemory() - runtime.freeMemory()) / 1e6
