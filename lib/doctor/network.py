"""Checks of network services: the ports, Docker, the broker, and a round trip of one message through it."""

import socket
from uuid import uuid4

from kafka import KafkaProducer
from kafka.errors import KafkaError

from lib.doctor.machine import Finding
from lib.errors import CourseError
from lib.infra import ports
from lib.infra.compose import Stack
from lib.infra.docker import docker, published_by, require_compose, require_memory
from lib.settings import Settings
from lib.topics import Cluster

LISTENER = "set advertised.listeners (Docker: KAFKA_ADVERTISED_LISTENERS) to PLAINTEXT://{}, and restart the broker"
ZOOKEEPER_PORT = 2181


def port(settings: Settings) -> Finding:
    """The broker's port is free, or a broker already uses it, to which any mode attaches."""
    number = settings.port
    if settings.mode == "external":
        return Finding("note", f"{number} is not checked in mode external")
    with Cluster.of(settings) as cluster:
        if not cluster.port_is_open():
            return Finding("good", f"{number} is free")
        container = published_by(number)
        owner = container or ports.owner(number)
        if cluster.advertised():
            return Finding("good", f"{number}: a broker, {owner}")
    remedy = f"end that program, or choose another: STREAM_BOOTSTRAP_SERVERS=localhost:{number + 100}"
    if container:
        remedy = f"if a broker is starting there, wait a minute; else docker stop NAME, or {remedy}"
    return Finding("missing", f"{number} is taken by {owner}, which does not answer as a Kafka broker", remedy)


def zookeeper(settings: Settings) -> Finding:
    """ZooKeeper's port is free, or the classic stack already uses it."""
    if not ports.is_open(ZOOKEEPER_PORT):
        return Finding("good", f"{ZOOKEEPER_PORT} is free")
    container = published_by(ZOOKEEPER_PORT)
    if container == "the container zookeeper":
        return Finding("good", f"{ZOOKEEPER_PORT}: {container}")
    what = f"{ZOOKEEPER_PORT} is taken by {container or ports.owner(ZOOKEEPER_PORT)}"
    if settings.mode == "docker" and ZOOKEEPER_PORT in Stack(settings.compose_file).ports:
        return Finding("missing", what, "end that program (a container: docker stop NAME)")
    return Finding("note", f"{what}; only the classic Docker stack needs it")


def client(settings: Settings) -> Finding:
    version = docker("--version").stdout.strip()
    require_compose()
    return Finding("good", version.removeprefix("Docker "))


def engine(settings: Settings) -> Finding:
    stack = Stack(settings.compose_file)
    found = require_memory(stack.memory_mb, stack.file.name)
    return Finding("good", f"{found.version}, with {found.memory_mb:,} MB of memory, {stack.memory_mb:,} MB needed")


def broker(settings: Settings) -> Finding:
    """A broker answers, and the addresses that it advertises can be reached from this machine."""
    with Cluster.of(settings) as cluster:
        addresses = cluster.advertised()
    if not addresses:
        level = "missing" if settings.mode == "external" else "note"
        return Finding(level, f"none answers at {settings.bootstrap_servers}", "start one: make up")
    what = f"answers at {settings.bootstrap_servers} and advertises {', '.join(addresses)}"
    for fault in filter(None, map(unreachable, addresses)):
        return Finding("missing", f"{what}; {fault}", LISTENER.format(settings.bootstrap_servers))
    return Finding("good", what)


def unreachable(address: str) -> str:
    """Why a host:port cannot be reached from this machine; empty if it can."""
    host, _, number = address.rpartition(":")
    try:
        socket.create_connection((host, int(number)), timeout=2).close()
        return ""
    except socket.gaierror:
        return f"the host name {host} cannot be resolved"
    except OSError:
        return f"{address} does not answer"


def round_trip(settings: Settings) -> Finding:
    """A message is sent and read back, in a topic of its own, which is deleted."""
    topic, reason = f"doctor-{uuid4().hex[:8]}", ""
    with Cluster.of(settings) as cluster:
        if not cluster.advertised():
            return Finding("note", "not tried: no broker answers")
        try:
            cluster.create(topic, partitions=1)
            try:
                own = {"bootstrap_servers": settings.bootstrap_servers} | settings.security.client()
                with KafkaProducer(max_block_ms=3000, **own) as producer:
                    producer.send(topic, b"?").get(timeout=3)
                if [record.value for record in cluster.read(topic)] == [b"?"]:
                    return Finding("good", "a message was sent and read back")
            finally:
                cluster.delete(topic)
        except (CourseError, KafkaError) as error:
            reason = f": {getattr(error, 'what', error)}"
    again = "python -m lib.infra down, then up" if settings.mode != "external" else "ask whoever runs the broker"
    return Finding("missing", f"a message could not be sent and read back{reason}", f"see the line above; {again}")
