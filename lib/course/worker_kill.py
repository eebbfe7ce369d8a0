"""A worker of a Spark standalone cluster, killed while its executor works on a micro-batch."""

from pathlib import Path
from subprocess import Popen

from lib.consumer.checkpoint import unfinished
from lib.errors import QueryError
from lib.spark_cluster import SparkCluster
from lib.wait import wait_until

WAIT_SECONDS = 300
WORKS_SECONDS = 0.2  # of processor time, after which an executor surely works on the batch


def kill_in_batch(machines: SparkCluster, worker: int, program: Popen, checkpoint: Path, first: int) -> int:
    """Kill a worker and its executor in the middle of a micro-batch, and return the batch's number.

    `program` is a consumer that runs on the cluster; the batch is the first one, from number `first` on, that is
    planned and not finished. Raises QueryError if the program ends before, and TimeoutError.
    """

    def in_work() -> int | None:
        if program.poll() is not None:
            raise QueryError("the consumer has ended before the kill", "see Spark's log", exit_code=program.returncode)
        planned = unfinished(checkpoint)
        return planned if planned and planned >= first else None

    batch = wait_until(in_work, WAIT_SECONDS)
    process = machines.process(worker)
    executors = process.children(recursive=True)
    used = sum(each.cpu_times().user for each in executors)
    wait_until(
        lambda: sum(each.cpu_times().user for each in executors) > used + WORKS_SECONDS, WAIT_SECONDS, every=0.01
    )
    for each in (*executors, process):
        each.kill()
    return batch
