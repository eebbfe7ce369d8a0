"""Around the pipeline: what this machine has and lacks for the course, one line and one remedy each.

`python -m lib.doctor` looks, changes nothing, and exits with 1 only where something is missing that the chosen mode
needs. It must run where much is broken, so each check imports what it needs by itself, has a deadline, and may fail.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import uuid4

MARKS = {"good": ("✔", "green"), "note": ("·", "dim"), "warning": ("!", "yellow"), "missing": ("✘", "bold red")}
INSTALL = "make install (or in an environment of your own: pip install --require-hashes -r requirements.lock)"
DEADLINE_SECONDS = 30
PATIENCE_MS = 3000  # of a Kafka client, at each step
ZOOKEEPER_PORT = 2181
OVERHEAD_MB = 1024  # beside the two Java heaps: what Java takes itself, the kernel and JupyterLab
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@dataclass(frozen=True)
class Finding:
    """What a check found. `level` is "good", "note" (not needed in this mode), "warning" or "missing"."""

    level: str
    text: str
    remedy: str = ""


def check_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("good", f"{version} at {sys.executable}")
    return Finding("missing", f"{version}; 3.11 to 3.13 is needed", "make install PYTHON=python3.11, or conda's arqesp")


def check_settings() -> Finding:
    from lib.settings import settings

    modes = ("embedded", "docker", "external")
    if settings.mode in modes:
        return Finding("good", f"mode {settings.mode}, broker at {settings.bootstrap_servers}")
    return Finding("missing", f"there is no mode {settings.mode!r}", f"STREAM_MODE is one of {', '.join(modes)}")


def check_packages() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import Requirement

    from lib.settings import ROOT

    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = [Requirement(text) for text in re.findall(r"^([A-Za-z0-9._-]+==[^\\\n]*[^\\\s])", lines, re.M)]
    needed = [package for package in locked if package.marker is None or package.marker.evaluate()]
    wrong = []
    for package in needed:
        try:
            if (found := version(package.name)) not in package.specifier:
                wrong.append(f"{package.name} is {found}, locked is {str(package.specifier)[2:]}")
        except PackageNotFoundError:
            wrong.append(f"{package.name} is not installed")
    if not wrong:
        return Finding("good", f"{len(needed)}, as locked")
    return Finding("missing", listed(wrong), INSTALL)


def check_java() -> Finding:
    from lib.java import find_java, java_version

    java = find_java()
    return Finding("good", f"{java_version(java)} at {java}")


def check_jars() -> Finding:
    from lib import jars
    from lib.settings import settings

    names = ("broker", "connector") if settings.mode == "embedded" else ("connector",)
    wrong = [path for name in names for path in jars.wrong(name)]
    if not wrong:
        return Finding("good", f"{sum(len(jars.paths(name)) for name in names)}, verified")
    told = [f"{path.name} {'is not the one that was locked' if path.exists() else 'is missing'}" for path in wrong]
    return Finding("missing", listed(told), "python -m lib.jars")


def check_memory() -> Finding:
    import psutil

    from lib.settings import settings

    heap = re.fullmatch(r"(\d+)([mg])", settings.driver_memory.lower())
    spark = int(heap[1]) * (1024 if heap[2] == "g" else 1) if heap else 1024
    needed = spark + OVERHEAD_MB + (settings.broker_heap_mb if settings.mode == "embedded" else 0)
    free, total = (number // 1024**2 for number in (psutil.virtual_memory().available, psutil.virtual_memory().total))
    if free >= needed:
        return Finding("good", f"{free:,} MB free of {total:,} MB, {needed:,} MB needed")
    what = f"{free:,} MB free of {total:,} MB; Spark, broker and notebook may take {needed:,} MB"
    level = "missing" if total < needed else "warning"
    return Finding(level, what, "close other programs, or give Spark less: STREAM_DRIVER_MEMORY=512m")


def check_disk() -> Finding:
    from lib.settings import settings

    topic = settings.partitions * settings.retention_mb if settings.mode == "embedded" else 0
    needed = topic + 512  # checkpoints, results, logs
    folder = next(path for path in (settings.build_dir, *settings.build_dir.parents) if path.exists())
    free = shutil.disk_usage(folder).free // 1024**2
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return Finding("missing", f"{folder} cannot be written", "set STREAM_BUILD_DIR to a folder that can")
    if free >= needed:
        return Finding("good", f"{free:,} MB free for {settings.build_dir.name}/, {needed:,} MB needed")
    what = f"{free:,} MB free at {folder}; a full topic and what is made from it may take {needed:,} MB"
    return Finding("missing", what, "make clean, make room, or set STREAM_BUILD_DIR to a folder on another disk")


def check_port() -> Finding:
    """The broker's port is free, or a broker has it: one that any mode attaches to."""
    from lib import docker_stack, ports, topics
    from lib.settings import settings

    if settings.mode == "external":
        return Finding("note", f"{settings.port} is the business of who runs the broker in mode external")
    if not topics.port_is_open():
        return Finding("good", f"{settings.port} is free")
    who = docker_stack.published_by(settings.port) or ports.owner(settings.port)
    if advertised():
        return Finding("good", f"{settings.port}: a broker, {who}")
    other = f"choose another: STREAM_BOOTSTRAP_SERVERS=localhost:{settings.port + 100}"
    return Finding("missing", f"{settings.port} is taken by {who}, which is no broker", f"end that program, or {other}")


def check_zookeeper_port() -> Finding:
    """ZooKeeper's port is free, or the classic stack has it already."""
    from lib import docker_stack, ports, topics
    from lib.settings import settings

    if not topics.port_is_open(f"127.0.0.1:{ZOOKEEPER_PORT}"):
        return Finding("good", f"{ZOOKEEPER_PORT} is free")
    container = docker_stack.published_by(ZOOKEEPER_PORT)
    if container == "the container zookeeper":
        return Finding("good", f"{ZOOKEEPER_PORT}: {container}")
    needed = settings.mode == "docker" and ZOOKEEPER_PORT in docker_stack.published_ports(
        docker_stack.compose_file(settings)
    )
    what = f"{ZOOKEEPER_PORT} is taken by {container or ports.owner(ZOOKEEPER_PORT)}"
    if not needed:
        return Finding("note", what + "; only the classic Docker stack needs it")
    return Finding("missing", what, "end that program (a container: docker stop NAME)")


def check_docker() -> Finding:
    from lib import docker_stack

    version = docker_stack.docker("--version").stdout.strip()
    docker_stack.require_compose()
    return Finding("good", version.removeprefix("Docker "))


def check_engine() -> Finding:
    from lib import docker_stack
    from lib.settings import settings

    engine = docker_stack.engine()
    file = docker_stack.compose_file(settings)
    needed = docker_stack.memory_mb(file)
    if engine.memory_mb < needed:
        what = f"{engine.version}, with {engine.memory_mb:,} MB of memory; {file.name} may take {needed:,} MB"
        return Finding(level_of_docker(), what, "Docker Desktop, Settings, Resources (with WSL: .wslconfig)")
    return Finding("good", f"{engine.version}, with {engine.memory_mb:,} MB of memory, {needed:,} MB needed")


def check_broker() -> Finding:
    """A broker answers, and the addresses to which it sends its clients can be reached from here."""
    from lib import topics
    from lib.settings import settings

    told = advertised()
    if not told:
        level = "missing" if settings.mode == "external" else "note"
        return Finding(level, f"none answers at {settings.bootstrap_servers}", "start one: make up")
    names = ", ".join(told)
    for address in told:
        host = address.rpartition(":")[0]
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            what = f"answers at {settings.bootstrap_servers} and sends clients to {names}; {host} is no name known here"
            return Finding("missing", what, LISTENER.format(settings.bootstrap_servers))
        if not topics.port_is_open(address):
            what = f"answers at {settings.bootstrap_servers} and sends clients to {names}; {address} does not answer"
            return Finding("missing", what, LISTENER.format(settings.bootstrap_servers))
    return Finding("good", f"answers at {settings.bootstrap_servers} and sends clients to {names}")


LISTENER = "set advertised.listeners (Docker: KAFKA_ADVERTISED_LISTENERS) to PLAINTEXT://{}, and restart the broker"


def check_round_trip() -> Finding:
    """One message there and back, in a topic of its own that is removed."""
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    from lib.settings import settings

    if not advertised():
        return Finding("note", "not tried, without a broker")
    clients = {"bootstrap_servers": settings.bootstrap_servers}
    clients |= {"bootstrap_timeout_ms": PATIENCE_MS, "request_timeout_ms": PATIENCE_MS}
    place = TopicPartition(f"doctor-{uuid4().hex[:8]}", 0)
    try:
        with KafkaAdminClient(**clients) as admin:
            new = {place.topic: {"num_partitions": 1, "replication_factor": 1}}
            admin.create_topics(new, timeout_ms=PATIENCE_MS)
            try:
                producer = KafkaProducer(max_block_ms=PATIENCE_MS, **clients)
                producer.send(place.topic, b"?", partition=0).get(timeout=PATIENCE_MS / 1000)
                producer.close(timeout=1)
                consumer = KafkaConsumer(enable_auto_commit=False, consumer_timeout_ms=PATIENCE_MS, **clients)
                consumer.assign([place])
                consumer.seek(place, 0)
                came_back = next((record.value == b"?" for record in consumer), False)
                consumer.close()
            finally:
                admin.delete_topics([place.topic], timeout_ms=PATIENCE_MS)
    except KafkaError as error:
        came_back, reason = False, f": {error}"
    else:
        reason = ""
    if came_back:
        return Finding("good", "a message went there and back")
    log = "python -m lib.infra down, then up" if settings.mode != "external" else "ask who runs the broker"
    return Finding("missing", f"a message did not come back{reason}", f"look at the line above; {log}")


def find_browser() -> str | None:
    """The Chromium that the browser tests drive, whatever the system calls it."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def check_browser() -> Finding:
    program = find_browser()
    if program:
        return Finding("good", program)
    return Finding("note", "no Chromium; only the browser tests need it", "Debian: apt install chromium")


CHECKS: dict[str, Callable[[], Finding]] = {
    "packages": check_packages,
    "Java": check_java,
    "jars": check_jars,
    "memory": check_memory,
    "disk": check_disk,
    "port": check_port,
    "ZooKeeper": check_zookeeper_port,
    "Docker": check_docker,
    "engine": check_engine,
    "broker": check_broker,
    "round trip": check_round_trip,
    "browser": check_browser,
}


def advertised() -> list[str]:
    """The addresses to which the broker at the bootstrap address sends its clients; none where no broker answers."""
    import logging

    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    from lib import topics
    from lib.settings import settings

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if not topics.port_is_open():
        return []
    try:
        options = {"bootstrap_timeout_ms": PATIENCE_MS, "request_timeout_ms": PATIENCE_MS}
        with KafkaAdminClient(bootstrap_servers=settings.bootstrap_servers, **options) as client:
            # describe_cluster() would already ask the advertised address, which may be the one that is wrong.
            return [f"{broker.host}:{broker.port}" for broker in client._manager.cluster.brokers()]
    except KafkaError:
        return []


def level_of_docker() -> str:
    """How bad it is that something of Docker is missing, in the chosen mode."""
    from lib.settings import settings

    return "missing" if settings.mode == "docker" else "note"


def listed(items: list[str], most: int = 3) -> str:
    """The first few of many, on one line."""
    rest = f", and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + rest


def examine(checks: dict[str, Callable[[], Finding]] = CHECKS) -> Iterable[tuple[str, Finding]]:
    """Each check's name and finding, in order. They run side by side, and none holds up the others for long."""
    threads = {}
    for name, check in checks.items():
        answer: list[Finding] = []
        # A daemon: a check that hangs must not keep the program from ending.
        thread = threading.Thread(target=lambda n=name, c=check, a=answer: a.append(safely(n, c)), daemon=True)
        thread.start()
        threads[name] = (thread, answer)
    end = time.monotonic() + DEADLINE_SECONDS
    for name, (thread, answer) in threads.items():
        thread.join(max(0, end - time.monotonic()))
        late = Finding(
            "warning", f"no answer within {DEADLINE_SECONDS} s", "try again; see what keeps the machine busy"
        )
        yield name, (answer or [late])[0]


def safely(name: str, check: Callable[[], Finding]) -> Finding:
    """What the check finds. Its failing is a finding too: of a package, of the course's own kind, or unforeseen."""
    try:
        return check()
    except ImportError as error:
        return Finding("missing", f"not looked at: the package {error.name} is not installed", INSTALL)
    except Exception as error:
        if hasattr(error, "remedy"):
            if name in ("Docker", "engine") and level_of_docker() == "note":
                return Finding("note", f"{error.what}; only mode docker needs it")
            return Finding("missing", error.what, error.remedy)
        return Finding(
            "warning", f"could not be looked at: {type(error).__name__}: {error}", "tell the course's authors"
        )


def show(name: str, finding: Finding) -> None:
    """Print the finding, in colour where rich is there and the terminal has it."""
    mark, style = MARKS[finding.level]
    remedy = f"\n    What to do: {finding.remedy}" if finding.remedy else ""
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        print(f"{mark} {name:<11}{finding.text}{remedy}")
        return
    line = Text.assemble(
        (mark, style), f" {name:<11}", (finding.text, style if finding.level == "note" else ""), remedy
    )
    Console().print(line, soft_wrap=True)


def main() -> int:
    sys.stdout.reconfigure(encoding="utf-8")  # a Windows console may have no ✔
    python = check_python()
    show("Python", python)
    if python.level != "good":
        return 1  # with another Python, what else is wrong says nothing
    settings = safely("settings", check_settings)
    show("settings", settings)
    if settings.level != "good":
        return 1
    missing = 0
    for name, finding in examine():
        show(name, finding)
        missing += finding.level == "missing"
    print(f"{missing} of these must be put right first (✘)" if missing else "this machine is ready for the course")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
