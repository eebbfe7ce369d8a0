"""Embedded broker: Apache Kafka as a Java process on this machine, without Docker.

One node in KRaft mode, broker and controller in one process, listening on 127.0.0.1 only.
"""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from lib.errors import BrokerError
from lib.infra.jars import jars
from lib.infra.java import LOG_CONFIGURATION, find_java
from lib.infra.ports import free_port
from lib.settings import Settings
from lib.wait import wait_until

CLUSTER_ID = "YXJxZXNwLWNvdXJzZS0wMQ"  # any 16 bytes in base64; fixed, so that a folder is recognised as this project's


def start(settings: Settings, folder: Path, advertised: str = "") -> int:
    """Start the broker on its data in `folder` (created if missing) and return its process id; it is not ready yet.

    Like a container started with `-d`, it keeps running when the program that started it ends. It gives its clients the
    address `advertised`, by default the bootstrap server's. Raises BrokerError, JavaError or JarError.
    """
    properties = folder / "server.properties"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        properties.write_text(server_properties(settings, free_port(), advertised), encoding="utf-8")
    except OSError as error:
        raise BrokerError(
            f"the broker's folder {folder} cannot be written: {error.strerror}",
            "free some space there, or set STREAM_BUILD_DIR to another folder",
            folder=folder, reason=error.strerror,
        ) from None  # fmt: skip
    java = [  # the flags halve the time to the first acknowledged message
        find_java(settings), f"-Xmx{settings.broker_heap_mb}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        f"-Dlog4j2.configurationFile={LOG_CONFIGURATION.as_uri()}", f"-Dcourse.log={folder / 'broker.log'}",
        f"-Djava.io.tmpdir={settings.folder('tmp')}", "-cp", os.pathsep.join(map(str, jars("broker"))),
    ]  # fmt: skip
    if not (folder / "data" / "meta.properties").exists():
        format_storage(java, folder, properties)
    with open(folder / "console.log", "wb") as console:
        # Its own session: Ctrl-C and a kernel's interrupt, which go to the whole process group, must not end it.
        process = subprocess.Popen(
            [*java, "kafka.Kafka", properties],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True, cwd=folder,
        )  # fmt: skip
    # Under load a new process has no command line for a moment, by which it is recognised as the broker.
    with suppress(psutil.Error, TimeoutError):  # it has ended already
        wait_until(psutil.Process(process.pid).cmdline, seconds=5, every=0.001)
    return process.pid


def server_properties(settings: Settings, controller_port: int, advertised: str = "") -> str:
    """The broker's configuration, with Kafka's own names (https://kafka.apache.org/documentation/#brokerconfigs)."""
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{settings.port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{advertised or f'{settings.host}:{settings.port}'}",
        "log.dirs": "data",  # relative to the broker's folder: a comma in its path would be two paths for Kafka
        "auto.create.topics.enable": "false",  # a mistyped topic must be an error, not a new topic
        "num.partitions": settings.partitions,
        "log.retention.hours": settings.retention_hours,
        "log.retention.bytes": settings.retention_mb * 1024**2,
        "log.segment.bytes": settings.retention_mb * 1024**2 // 8,
        # One broker cannot hold the three replicas that Kafka's internal topics have by default.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def format_storage(java: list, folder: Path, properties: Path) -> None:
    """Give an empty data folder its cluster id, as `kafka-storage format` does."""
    command = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", CLUSTER_ID, "-c", properties]
    done = subprocess.run([*java, *command], capture_output=True, text=True, cwd=folder)
    if done.returncode:
        reason = ((done.stderr or done.stdout).strip().splitlines() or ["no reason given"])[0]
        raise BrokerError(
            f"the broker's data folder could not be prepared: {reason}",
            f"check that {folder} is writable and has space left, or remove its data: "
            "python -m lib.infra down --volumes",
            folder=folder, reason=reason,
        )  # fmt: skip


def log_tail(folder: Path) -> str:
    """The last five error lines of the broker's logs (else its last lines), for an error message."""
    logs = [path for path in (folder / "console.log", folder / "broker.log") if path.exists()]
    everything = [line for path in logs for line in path.read_text(errors="replace").splitlines()]
    errors = [line for line in everything if " ERROR " in line or " FATAL " in line or "Exception" in line]
    return "\n  ".join((errors or everything)[-5:])
