"""Settings of the course: names, ports, versions and intervals, each with its default.

Each field can be overridden by an environment variable, `STREAM_` and the field's name in capitals:
`STREAM_BOOTSTRAP_SERVERS=localhost:9192 make up` starts a broker on another port. A program reads the settings once,
where it begins: `settings = Settings.from_environment()`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

from lib.errors import SettingError, require
from lib.security import NOTHING, OPEN, Secret, Security

KAFKA_VERSION = "4.3.0"
JAVA_VERSIONS = (17, 21, 25)  # supported by both Spark 4.2 and Kafka 4.3
MODES = ("embedded", "docker", "external")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """Configuration of one run. A duration is a number of seconds, or a text as Spark takes it ("30 seconds").

    Raises SettingError for an address that is not host:port, an unknown mode, less than one broker, or a security that
    cannot work.
    """

    # The broker
    bootstrap_servers: str = "localhost:9092"
    topic: str = "tweets_topic"
    partitions: int = 2
    mode: str = "embedded"  # one of MODES
    compose_file: Path = Path("docker/docker-compose.yml")  # relative to the project
    brokers: int = 1  # that mode embedded starts
    broker_heap_mb: int = 256
    retention_hours: int = 24
    retention_mb: int = 512  # per partition
    ready_seconds: float = 60
    answer_seconds: float = 5

    # How clients connect to the broker: see lib.security
    security_protocol: str = "PLAINTEXT"
    sasl_user: str = ""
    sasl_password: Secret = NOTHING
    ssl_ca_file: str = ""  # relative to the project; certificates in PEM

    # Spark: one shuffle partition per core. Its default of 200 makes a small micro-batch 17 times slower.
    spark_master: str = "local[2]"
    shuffle_partitions: int = 2
    driver_memory_mb: int = 1024
    driver_host: str = "127.0.0.1"  # where a cluster's workers reach this machine's driver, which listens there only
    executor_memory_mb: int = 512  # on a cluster
    executor_java_options: str = ""  # on a cluster: more options of the executors' JVMs
    spark_ui: bool = False

    # The defaults of lib.consumer's options. A notebook has its own parameters instead.
    window: str = "30 seconds"
    slide: str = "5 seconds"
    watermark: str = "30 seconds"
    trigger: str = "2 seconds"
    batch_messages: int = 200_000  # at most in a micro-batch, so that a backlog of any size fits into memory
    top: int = 10

    # The folder for everything that the course writes, and the one for Java's class-data archives
    build_dir: Path = ROOT / "build"
    archive_dir: Path = ROOT / "build" / "archives"
    record_archives: bool = False  # Java processes write an archive when they end: see lib.class_data

    def __post_init__(self) -> None:
        # Relative to the project: notebooks and child processes run in other folders, and must find the same ones.
        for name in ("build_dir", "archive_dir", "compose_file"):
            object.__setattr__(self, name, ROOT / getattr(self, name))
        if self.ssl_ca_file:
            object.__setattr__(self, "ssl_ca_file", str(ROOT / self.ssl_ca_file))
        object.__setattr__(self, "sasl_password", self.security.password)
        hosts_and_ports(self.bootstrap_servers)
        require(self.brokers >= 1, "brokers", self.brokers, "use 1 or more")
        if self.mode not in MODES:
            remedy = f"use one of: {', '.join(MODES)}"
            raise SettingError(f"there is no mode {self.mode!r}", remedy, option="STREAM_MODE", value=self.mode)

    @property
    def security(self) -> Security:
        """How clients connect to the broker."""
        return Security(self.security_protocol, self.sasl_user, self.sasl_password, self.ssl_ca_file)

    @property
    def host(self) -> str:
        """The first bootstrap server's host name."""
        return hosts_and_ports(self.bootstrap_servers)[0][0]

    @property
    def port(self) -> int:
        """The first bootstrap server's port."""
        return hosts_and_ports(self.bootstrap_servers)[0][1]

    def without_security(self) -> Self:
        """The same for an open broker, such as one that a program starts for itself on this machine."""
        nothing = {"sasl_user": "", "sasl_password": NOTHING, "ssl_ca_file": ""}
        return replace(self, security_protocol=OPEN.protocol, **nothing)

    def folder(self, name: str) -> Path:
        """The folder build/NAME, created if it does not exist; SettingError if it cannot be written."""
        path = self.build_dir / name
        try:
            path.mkdir(parents=True, exist_ok=True)
            if os.access(path, os.W_OK):
                return path
            reason = "it is read-only"
        except OSError as error:
            reason = error.strerror
        raise SettingError(
            f"{path} cannot be written: {reason}", "set STREAM_BUILD_DIR to a writable folder", path=path, reason=reason
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The defaults, overridden by STREAM_… variables; SettingError if one of these has an invalid value."""
        values = {}
        for field in fields(cls):
            name = f"STREAM_{field.name.upper()}"
            if (text := environment.get(name)) is None:
                continue
            try:
                values[field.name] = text.lower() in ("1", "true", "yes") if field.type is bool else field.type(text)
            except ValueError:
                raise SettingError(
                    f"{name}={text!r} is not a valid {field.type.__name__}",
                    f"unset it, or set it to a value like the default: {name}={field.default}",
                    option=name,
                    value=text,
                ) from None
        return cls(**values)


def hosts_and_ports(servers: str) -> list[tuple[str, int]]:
    """The (host, port) of each address in a text like "localhost:9092,localhost:9093"; else SettingError."""
    pairs = [address.rpartition(":")[::2] for address in servers.split(",")]
    if not all(host and port.isdecimal() and 0 < int(port) < 65536 for host, port in pairs):
        raise SettingError(
            f"the broker's address {servers!r} is not host:port",
            "use one such as localhost:9092, in STREAM_BOOTSTRAP_SERVERS or --bootstrap-servers",
            option="STREAM_BOOTSTRAP_SERVERS", value=servers,
        )  # fmt: skip
    return [(host, int(port)) for host, port in pairs]
