"""Beside the doctor: what it looks at. A function a line of its report, which takes the settings and gives a finding.

They must run where much is broken, so each imports what it needs by itself, and may fail: `lib.doctor` says so.
"""

from __future__ import annotations  # and no syntax newer than Python 3.8: an older Python is to be told so, in a line

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.settings import Settings

INSTALL = "make install (or in an environment of your own: pip install --require-hashes -r requirements.lock)"
LISTENER = "set advertised.listeners (Docker: KAFKA_ADVERTISED_LISTENERS) to PLAINTEXT://{}, and restart the broker"
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

    return Finding("good", f"mode {settings.mode}, broker at {settings.bootstrap_servers}")


def check_packages(settings: Settings) -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import Requirement

    from lib.settings import ROOT

    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = map(Requirement, re.findall(r"^([A-Za-z0-9._-]+==[^\\\n]*[^\\\s])", lock, re.M))
    needed = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    wrong = []
    for pin in needed:
        try:
            if (found := version(pin.name)) not in pin.specifier:
                wrong.append(f"{pin.name} is {found}, locked is {str(pin.specifier)[2:]}")
        except PackageNotFoundError:
            wrong.append(f"{pin.name} is not installed")
    return Finding("missing", listed(wrong), INSTALL) if wrong else Finding("good", f"{len(needed)}, as locked")


def check_java(settings: Settings) -> Finding:
    from lib.infra.java import find_java, java_version

    java = find_java()
    return Finding("good", f"{java_version(java)} at {java}")


def check_jars(settings: Settings) -> Finding:
    from lib.infra import jars

    names = ("broker", "connector") if settings.mode == "embedded" else ("connector",)
    wrong = [path for name in names for path in jars.wrong(name)]
    if not wrong:
        return Finding("good", f"{sum(len(jars.paths(name)) for name in names)}, verified")
    told = [f"{path.name} {'is not the one that was locked' if path.exists() else 'is missing'}" for path in wrong]
    return Finding("missing", listed(told), "python -m lib.infra.jars")


def check_memory(settings: Settings) -> Finding:
    import psutil

    heap = re.fullmatch(r"(\d+)([mg])", settings.driver_memory.lower())
    spark = int(heap[1]) * (1024 if heap[2] == "g" else 1) if heap else 1024
    needed = spark + OVERHEAD_MB + (settings.broker_heap_mb if settings.mode == "embedded" else 0)
    memory = psutil.virtual_memory()
    free, total = memory.available // 1024**2, memory.total // 1024**2
    if free >= needed:
        return Finding("good", f"{free:,} MB free of {total:,} MB, {needed:,} MB needed")
    what = f"{free:,} MB free of {total:,} MB; Spark, broker and notebook may take {needed:,} MB"
    level = "missing" if total < needed else "warning"
    return Finding(level, what, "close other programs, or give Spark less: STREAM_DRIVER_MEMORY=512m")


def check_disk(settings: Settings) -> Finding:
    topic = settings.partitions * settings.retention_mb if settings.mode == "embedded" else 0
    needed = topic + 512  # checkpoints, results, logs
    folder = next(path for path in (settings.build_dir, *settings.build_dir.parents) if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return Finding("missing", f"{folder} cannot be written", "set STREAM_BUILD_DIR to a folder that can")
    free = shutil.disk_usage(folder).free // 1024**2
    if free >= needed:
        return Finding("good", f"{free:,} MB free for {settings.build_dir.name}/, {needed:,} MB needed")
    what = f"{free:,} MB free at {folder}; a full topic and what is made from it may take {needed:,} MB"
    return Finding("missing", what, "make clean, make room, or set STREAM_BUILD_DIR to a folder on another disk")


def check_port(settings: Settings) -> Finding:
    """The broker's port is free, or a broker has it: one that any mode attaches to."""
    from lib import topics
    from lib.infra import compose as docker_stack
    from lib.infra import ports

    port = settings.port
    if settings.mode == "external":
        return Finding("note", f"{port} is the business of who runs the broker in mode external")
    if not topics.port_is_open():
        return Finding("good", f"{port} is free")
    container = docker_stack.published_by(port)
    who = container or ports.owner(port)
    if topics.advertised():
        return Finding("good", f"{port}: a broker, {who}")
    remedy = f"end that program, or choose another: STREAM_BOOTSTRAP_SERVERS=localhost:{port + 100}"
    if container:
        remedy = f"a broker that is starting answers within a minute; else: docker stop NAME, or {remedy}"
    return Finding("missing", f"{port} is taken by {who}, which does not answer as a Kafka broker", remedy)


def check_zookeeper_port(settings: Settings) -> Finding:
    """ZooKeeper's port is free, or the classic stack has it already."""
    from lib.infra import compose as docker_stack
    from lib.infra import ports

    if not docker_stack.is_open(ZOOKEEPER_PORT):
        return Finding("good", f"{ZOOKEEPER_PORT} is free")
    container = docker_stack.published_by(ZOOKEEPER_PORT)
    if container == "the container zookeeper":
        return Finding("good", f"{ZOOKEEPER_PORT}: {container}")
    what = f"{ZOOKEEPER_PORT} is taken by {container or ports.owner(ZOOKEEPER_PORT)}"
    stack = docker_stack.compose_file(settings)
    if settings.mode == "docker" and ZOOKEEPER_PORT in docker_stack.published_ports(stack):
        return Finding("missing", what, "end that program (a container: docker stop NAME)")
    return Finding("note", f"{what}; only the classic Docker stack needs it")


def check_docker(settings: Settings) -> Finding:
    from lib.infra import compose as docker_stack

    version = docker_stack.docker("--version").stdout.strip()
    docker_stack.require_compose()
    return Finding("good", version.removeprefix("Docker "))


def check_engine(settings: Settings) -> Finding:
    from lib.infra import compose as docker_stack

    engine, needed = docker_stack.require_memory(docker_stack.compose_file(settings))
    return Finding("good", f"{engine.version}, with {engine.memory_mb:,} MB of memory, {needed:,} MB needed")


def check_broker(settings: Settings) -> Finding:
    """A broker answers, and the addresses to which it sends its clients can be reached from here."""
    from lib import topics

    addresses = topics.advertised()
    if not addresses:
        level = "missing" if settings.mode == "external" else "note"
        return Finding(level, f"none answers at {settings.bootstrap_servers}", "start one: make up")
    what = f"answers at {settings.bootstrap_servers} and sends clients to {', '.join(addresses)}"
    for fault in filter(None, map(unreachable, addresses)):
        return Finding("missing", f"{what}; {fault}", LISTENER.format(settings.bootstrap_servers))
    return Finding("good", what)


def unreachable(address: str) -> str:
    """Why a host:port cannot be reached from here; nothing where it can."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
        return ""
    except socket.gaierror:
        return f"{host} is no name known here"
    except OSError:
        return f"{address} does not answer"


def check_round_trip(settings: Settings) -> Finding:
    """One message there and back, in a topic of its own that is removed."""
    from uuid import uuid4

    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    from lib import topics
    from lib.errors import CourseError

    if not topics.advertised():
        return Finding("note", "not tried, without a broker")
    topic, reason = f"doctor-{uuid4().hex[:8]}", ""
    try:
        topics.create(topic, partitions=1)
        try:
            with KafkaProducer(bootstrap_servers=settings.bootstrap_servers, max_block_ms=3000) as producer:
                producer.send(topic, b"?").get(timeout=3)
            if [record.value for record in topics.read(topic)] == [b"?"]:
                return Finding("good", "a message went there and back")
        finally:
            topics.delete(topic)
    except (CourseError, KafkaError) as error:
        reason = f": {getattr(error, 'what', error)}"
    again = "python -m lib.infra down, then up" if settings.mode != "external" else "ask who runs the broker"
    return Finding("missing", f"a message did not come back{reason}", f"look at the line above; {again}")


def check_browser(settings: Settings) -> Finding:
    if program := find_browser():
        return Finding("good", program)
    return Finding("note", "no Chromium; only the browser tests need it", "Debian: apt install chromium")


def find_browser() -> str | None:
    """The Chromium that the browser tests drive, whatever the system calls it."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def listed(items: list[str], most: int = 3) -> str:
    """The first few of many, on one line."""
    rest = f", and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + rest


CHECKS: dict[str, Callable[[Settings], Finding]] = {
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
