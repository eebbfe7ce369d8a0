"""Embedded broker: Apache Kafka as a Java process on this machine, without Docker.

One node in KRaft mode, broker and controller in one process, listening on 127.0.0.1 only.
"""

import os
import subprocess
from pathlib import Path

from lib.errors import BrokerError
from lib.infra import ports, process, secured
from lib.infra.archive import archive_options
from lib.infra.jars import jars
from lib.infra.java import LOG_CONFIGURATION, QUICK_START, find_java
from lib.settings import Settings

CLUSTER_ID = "YXJxZXNwLWNvdXJzZS0wMQ"  # any 16 bytes in base64; fixed, so that a folder is recognised as this project's


def start(settings: Settings, folder: Path, advertised: str = "") -> int:
    """Start the broker on its data in `folder` (created if missing) and return its process id; it is not ready yet.

    It keeps running when the program that started it ends. It gives its clients the address `advertised`, by default
    the bootstrap server's. Raises BrokerError, JavaError or JarError.
    """
    if settings.security.tls:
        secured.make_keys(settings, folder)
    return process.start(
        node_command(settings, folder, server_properties(settings, ports.free_port(), advertised)), folder
    )


def node_command(settings: Settings, folder: Path, configuration: str) -> list:
    """The command of one Kafka process, whose folder it prepares; `configuration` is the text of server.properties."""
    properties = folder / "server.properties"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        properties.write_text(configuration, encoding="utf-8")
    except OSError as error:
        raise BrokerError(
            f"the broker's folder {folder} cannot be written: {error.strerror}",
            "free some space there, or set STREAM_BUILD_DIR to another folder",
            folder=folder, reason=error.strerror,
        ) from None  # fmt: skip
    program, class_path = find_java(settings), jars("broker")
    java = [  # the flags halve the time to the first acknowledged message
        program, f"-Xmx{settings.broker_heap_mb}m", *QUICK_START,
        f"-Dlog4j2.configurationFile={LOG_CONFIGURATION.as_uri()}", f"-Dcourse.log={folder / 'broker.log'}",
        f"-Djava.io.tmpdir={settings.folder('tmp')}", "-cp", os.pathsep.join(map(str, class_path)),
    ]  # fmt: skip
    if not (folder / "data" / "meta.properties").exists():
        format_storage(java, folder, properties, secured.first_user(settings) if settings.security.tls else "")
    return [*java, *archive_options(settings, "broker", program, class_path), "kafka.Kafka", properties]


def server_properties(settings: Settings, controller_port: int, advertised: str = "") -> str:
    """The broker's configuration, with Kafka's own names (https://kafka.apache.org/documentation/#brokerconfigs)."""
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{settings.port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{advertised or f'{settings.host}:{settings.port}'}",
    }
    if settings.security.tls:
        values |= secured.properties(settings, settings.build_dir / "broker", controller_port)
    return as_text(values | common_properties(settings))


def common_properties(settings: Settings) -> dict[str, object]:
    """The configuration that every node has, alone or with others."""
    replicas = min(settings.brokers, 3)
    enough = max(replicas - 1, 1)  # a message is acknowledged while at most one of its replicas is missing
    several = {"default.replication.factor": replicas, "min.insync.replicas": enough} if replicas > 1 else {}
    return several | {
        "controller.listener.names": "CONTROLLER",
        "log.dirs": "data",  # relative to the broker's folder: a comma in its path would be two paths for Kafka
        "auto.create.topics.enable": "false",  # a mistyped topic must be an error, not a new topic
        "num.partitions": settings.partitions,
        "log.retention.hours": settings.retention_hours,
        "log.retention.bytes": settings.retention_mb * 1024**2,
        "log.segment.bytes": settings.retention_mb * 1024**2 // 8,
        # One broker cannot hold the three replicas that Kafka's internal topics have by default.
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": enough,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": enough,
        "group.initial.rebalance.delay.ms": 0,
        # A member of the protocol of KIP-848 learns its partitions by a heartbeat: every 5 s by default, and at least.
        "group.consumer.min.heartbeat.interval.ms": 500,
        "group.consumer.heartbeat.interval.ms": 500,
    }


def as_text(properties: dict[str, object]) -> str:
    """The text of a properties file."""
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def format_storage(java: list, folder: Path, properties: Path, more: str) -> None:
    """Give an empty data folder its cluster id, as `kafka-storage format` does; `more` are more of its options."""
    command = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", CLUSTER_ID, "-c", properties]
    command += ["@/dev/stdin"] if more else []
    done = subprocess.run([*java, *command], input=more, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        reason = ((done.stderr or done.stdout).strip().splitlines() or ["no reason given"])[0]
        raise BrokerError(
            f"the broker's data folder could not be prepared: {reason}",
            f"check that {folder} is writable and has space left, or remove its data: "
            "python -m lib.infra down --volumes",
            folder=folder, reason=reason,
        )  # fmt: skip


def taken(port: int) -> BrokerError:
    """The error for a port that another program uses."""
    owner = ports.owner(port)
    return BrokerError(
        f"port {port} is taken by {owner}, which does not answer as a Kafka broker",
        f"end that program, or choose another port: STREAM_BOOTSTRAP_SERVERS=localhost:{port + 100}",
        port=port, owner=owner,
    )  # fmt: skip


def not_ready(settings: Settings, folder: Path, ended: bool) -> BrokerError:
    """The error for a broker that does not answer, with the last lines of its log. `ended`: its process has ended."""
    log = log_tail(folder)
    what = "ended while it was starting" if ended else f"is not ready after {settings.ready_seconds:g} s"
    return BrokerError(
        f"the broker {what}. The end of its log:\n  {log}",
        f"see {folder / 'broker.log'}; to start again without its data: python -m lib.infra down --volumes",
        ended=ended, log=log,
    )  # fmt: skip


def log_tail(folder: Path) -> str:
    """The last five error lines of the broker's logs (else its last lines), for an error message."""
    logs = [path for path in (folder / "console.log", folder / "broker.log") if path.exists()]
    everything = [line for path in logs for line in path.read_text(errors="replace").splitlines()]
    errors = [line for line in everything if " ERROR " in line or " FATAL " in line or "Exception" in line]
    return "\n  ".join((errors or everything)[-5:])
