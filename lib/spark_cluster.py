"""Spark standalone cluster: a master and its workers, as background processes on this machine.

`python -m lib.spark_cluster up` starts them, and `lib.consumer --master spark://…` uses them. pip's pyspark has the
classes of both, but not the scripts that start them.
"""

import argparse
import json
import os
import shutil
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pyspark

from lib.errors import QueryError, require, run
from lib.infra import ports, process
from lib.infra.java import LOG_CONFIGURATION, QUICK_START, java_home
from lib.infra.state import State
from lib.settings import Settings
from lib.wait import wait_until

PORT = 7077  # the usual one of a master; another if it is taken
HEAP = "256m"  # of the master, and of each worker beside its executors


class StartedCluster(NamedTuple):
    """What `up` started: the address for `--master`, that of the web page, and the processes, the master first."""

    master: str
    web_page: str
    pids: tuple[int, ...]


class SparkCluster:
    """The cluster of a build folder. All of it listens on `host`, by default on this machine's loopback only."""

    def __init__(self, settings: Settings, host: str = "127.0.0.1") -> None:
        self.settings, self.host = settings, host
        self.folder = settings.folder("spark-cluster")
        self.state = State(settings, "spark-cluster", StartedCluster)

    def up(self, workers: int, cores: int) -> str:
        """Start what is missing of a master and `workers` workers of `cores` cores, and return the master's address.

        A worker gives its executors `settings.executor_memory_mb`. Raises JavaError, and QueryError if the cluster is
        not ready in time.
        """
        with self.state.lock():
            known = self.state.read()
            if not known or not self.process(0):
                self.stop(known)
                known = self.start_master()
            began = time.monotonic()
            # A worker that meets a master that is not ready yet asks again 5 to 15 s later.
            self.wait(lambda: self.page().get("status") == "ALIVE")
            for number in range(1, workers + 1):
                if not self.process(number):
                    arguments = ["--cores", cores, "--memory", f"{self.settings.executor_memory_mb}m"]
                    arguments += ["--work-dir", self.folder / "work", known.master]
                    pid = self.start("worker.Worker", number, 0, 0, *arguments)
                    known = known._replace(pids=(*known.pids[:number], pid, *known.pids[number + 1 :]))
                    self.state.write(known)
            self.wait(lambda: len(self.workers()) >= workers)
            if len(self.workers()) >= workers:
                return known.master
            self.stop(known)
        raise QueryError(
            f"the Spark cluster is not ready after {time.monotonic() - began:.0f} s",
            f"see {self.folder / 'master.log'}, and worker-1.log beside it",
            log=self.folder / "master.log",
        )

    def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until it is ready, the master has ended, or `settings.ready_seconds` are over."""
        with suppress(TimeoutError):
            wait_until(lambda: ready() or not self.process(0), self.settings.ready_seconds, every=0.1)

    def start_master(self) -> StartedCluster:
        shutil.rmtree(self.folder / "work", ignore_errors=True)  # jars and logs of earlier applications
        port = ports.free_port() if ports.is_open(PORT) else PORT
        page = ports.free_port()
        pid = self.start("master.Master", 0, port, page)
        known = StartedCluster(f"spark://{self.host}:{port}", f"http://{self.host}:{page}", (pid,))
        self.state.write(known)
        return known

    def start(self, name: str, number: int, port: int, web_port: int, *arguments: object) -> int:
        """Start a class of Spark's `deploy` package, in the way of its own start scripts."""
        properties, home = self.properties(number), Path(pyspark.__file__).parent
        # The port that `--master` names, or none; and no second port, for applications that start in the cluster.
        own = "spark.port.maxRetries 0\nspark.master.rest.enabled false\n" if name == "master.Master" else ""
        properties.write_text(own, encoding="utf-8")
        java = {
            "log4j2.configurationFile": LOG_CONFIGURATION.as_uri(),
            "course.log": properties.with_suffix(".log"),
            "java.io.tmpdir": self.settings.folder("tmp"),
        }
        environment = {
            "JAVA_HOME": java_home(self.settings),
            "SPARK_HOME": home,
            "SPARK_CONF_DIR": home / "conf",  # as in a driver of ours, not that of another Spark
            "SPARK_LOCAL_IP": self.host,  # the web page binds to it; there is no option for it
            "SPARK_LOCAL_DIRS": self.settings.folder("tmp"),
            "SPARK_DAEMON_MEMORY": HEAP,
            "SPARK_DAEMON_JAVA_OPTS": " ".join([*QUICK_START, *(f'"-D{key}={value}"' for key, value in java.items())]),
            "SPARK_LAUNCHER_OPTS": " ".join(QUICK_START),
        }
        command = [home / "bin" / "spark-class", f"org.apache.spark.deploy.{name}", "--host", self.host]
        command += ["--port", port, "--webui-port", web_port, "--properties-file", properties, *arguments]
        environment = {key: str(value) for key, value in environment.items()}
        return process.start(command, self.folder, os.environ | environment)

    def properties(self, number: int) -> Path:
        """The configuration file of the master (0) or a worker, by which its process is recognised."""
        return self.folder / (f"worker-{number}.conf" if number else "master.conf")

    def process(self, number: int) -> psutil.Process | None:
        """The process of the master (0) or of a worker, if it runs."""
        known = self.state.read()
        return process.find(known.pids[number], self.properties(number)) if known and known.pids[number:] else None

    def page(self) -> dict[str, Any]:
        """What the master's web page says, as JSON; {} without a master."""
        if not (known := self.state.read()):
            return {}
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is not for this machine
        with suppress(OSError, ValueError), opener.open(f"{known.web_page}/json/", timeout=5) as answer:
            return json.load(answer)
        return {}

    def workers(self) -> list[dict[str, Any]]:
        """The workers that the master knows and that are alive, as its web page describes them."""
        return [worker for worker in self.page().get("workers", []) if worker["state"] == "ALIVE"]

    def status(self) -> tuple[bool, str]:
        """Whether the master runs with a worker, and a text about them."""
        known, found = self.state.read(), self.workers()
        if not (known and found):
            return False, "no Spark cluster runs; start one: python -m lib.spark_cluster up"
        lines = [f"Spark cluster at {known.master}, web page {known.web_page}, {len(found)} worker(s)"]
        for each in found:
            lines.append(f"  {each['host']}:{each['port']}: {each['coresused']} of {each['cores']} cores in use")
        return True, "\n".join(lines)

    def down(self) -> str:
        """End all that `up` started, the executors too. Safe to call twice."""
        with self.state.lock():
            known = self.state.read()
            self.stop(known)
        return f"Spark cluster stopped: {known.master}" if known else "no Spark cluster was running"

    def stop(self, known: StartedCluster | None) -> None:
        running = [self.process(number) for number in range(len(known.pids) if known else 0)]
        executors = [child for each in filter(None, running) for child in each.children(recursive=True)]
        process.end(*running[1:], *executors)  # workers before their master, so that they do not look for it
        process.end(*running[:1])
        self.state.forget()


def main(argv: Sequence[str] | None = None) -> int:
    settings = Settings.from_environment()
    parser = argparse.ArgumentParser(
        prog="python -m lib.spark_cluster", description="Start or stop a Spark standalone cluster on this machine."
    )
    parser.add_argument("command", choices=("up", "status", "down"), help="status exits with 0 if a cluster runs")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="default: %(default)s")
    parser.add_argument("--cores", type=int, default=1, metavar="N", help="of each worker (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    options = parser.parse_args(argv)
    for name in ("workers", "cores"):
        require(getattr(options, name) >= 1, name, getattr(options, name), "use 1 or more")
    cluster = SparkCluster(settings, options.host)
    if options.command == "up":
        print(f"Spark cluster ready: python -m lib.consumer --master {cluster.up(options.workers, options.cores)}")
        return 0
    done, text = cluster.status() if options.command == "status" else (True, cluster.down())
    print(text)
    return 0 if done else 1


if __name__ == "__main__":
    run(main)
