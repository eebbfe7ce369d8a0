"""Around the topic: a real Apache Kafka broker as a Java process of this machine, without Docker.

One node in KRaft mode, broker and controller in one, listening on 127.0.0.1 only. `lib.infra` decides when to start it.
"""

import os
import socket
import subprocess
from pathlib import Path

from lib.errors import BrokerError
from lib.infra.jars import jars
from lib.infra.java import find_java
from lib.settings import Settings

LOG_CONFIGURATION = Path(__file__).with_name("log4j2.properties")
LOOPBACK = ("localhost", "127.0.0.1")


def start(settings: Settings, folder: Path) -> int:
    """Start the broker on its data in `folder` (made if missing) and return its process id; it is not ready yet.

    Like a container started with `-d`, it outlives what started it. Raises BrokerError, JavaError or JarError.
    """
    if settings.host not in LOOPBACK:
        raise BrokerError(
            f"the embedded broker runs on this machine only, not at {settings.bootstrap_servers}",
            "set STREAM_MODE=external for a broker elsewhere, or STREAM_BOOTSTRAP_SERVERS=localhost:9092",
        )
    properties = folder / "server.properties"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        properties.write_text(server_properties(settings, Path("data"), free_port()), encoding="utf-8")
    except OSError as error:
        raise BrokerError(
            f"the broker's folder {folder} cannot be written: {error.strerror}",
            "free some space there, or set STREAM_BUILD_DIR to another folder",
        ) from None
    if not (folder / "data" / "meta.properties").exists():
        format_storage(settings, folder, properties)
    with open(folder / "console.log", "wb") as console:
        # Its own session: Ctrl-C and a kernel's interrupt, which go to the whole process group, must not end it.
        process = subprocess.Popen(
            [*java_command(settings, folder), "kafka.Kafka", properties],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True, cwd=folder,
        )  # fmt: skip
    return process.pid


def server_properties(settings: Settings, data: Path, controller_port: int) -> str:
    """The broker's configuration, with Kafka's own names (https://kafka.apache.org/documentation/#brokerconfigs)."""
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{settings.port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{settings.host}:{settings.port}",
        "log.dirs": data.as_posix(),  # in the broker's own folder, whose path may have a comma: two paths for Kafka
        "auto.create.topics.enable": "false",  # a mistyped topic must be an error, not a new topic
        "num.partitions": settings.partitions,
        "log.retention.hours": settings.retention_hours,
        "log.retention.bytes": settings.retention_mb * 1024**2,
        "log.segment.bytes": settings.retention_mb * 1024**2 // 8,
        # One broker cannot hold the three copies that Kafka's own topics ask for by default.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
    }
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    # Java reads a properties file as Latin-1, and a path may hold any letter.
    return "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in lines)


def java_command(settings: Settings, folder: Path) -> list:
    """The start of a Kafka command line; the flags halve the time to the first acknowledged message."""
    return [
        find_java(), f"-Xmx{settings.broker_heap_mb}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        f"-Dlog4j2.configurationFile={LOG_CONFIGURATION.as_uri()}", f"-Dcourse.log={folder / 'broker.log'}",
        f"-Djava.io.tmpdir={settings.folder('tmp')}",
        "-cp", os.pathsep.join(map(str, jars("broker"))),
    ]  # fmt: skip


def format_storage(settings: Settings, folder: Path, properties: Path) -> None:
    """Give an empty data folder its cluster id, as `kafka-storage format` does."""
    cluster_id = "YXJxZXNwLWNvdXJzZS0wMQ"  # any 16 bytes in base64; fixed, so that a folder is recognised as ours
    command = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster_id, "-c", properties]
    run = subprocess.run([*java_command(settings, folder), *command], capture_output=True, text=True, cwd=folder)
    if run.returncode:
        reason = (run.stderr or run.stdout).strip().splitlines()
        raise BrokerError(
            f"the broker's data folder could not be prepared: {reason[0] if reason else 'no reason given'}",
            f"check that {folder} is writable and has space left, or begin anew: python -m lib.infra down --volumes",
        )


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def log_tail(folder: Path, lines: int = 5) -> str:
    """The last error lines of the broker's logs (else its last lines), for an error message."""
    texts = [
        p.read_text(errors="replace").splitlines()
        for p in (folder / "console.log", folder / "broker.log")
        if p.exists()
    ]
    everything = [line for text in texts for line in text]
    errors = [line for line in everything if " ERROR " in line or " FATAL " in line or "Exception" in line]
    return "\n  ".join((errors or everything)[-lines:])
