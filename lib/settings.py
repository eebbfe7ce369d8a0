"""Beside the tweet's way: every name, port, version and interval, in one place.

Each field can be overridden by an environment variable, `STREAM_` and its name in capitals:
`STREAM_BOOTSTRAP_SERVERS=localhost:9192 make up` starts a broker at another port.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from lib.errors import SettingError

KAFKA_VERSION = "4.3.0"
JAVA_VERSIONS = (17, 21, 25)  # what Spark 4.2 and Kafka 4.3 both run on
MODES = ("embedded", "docker", "external")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """What the whole course agrees on. Durations are seconds, or Spark's words ("30 seconds")."""

    # The broker
    bootstrap_servers: str = "localhost:9092"
    topic: str = "tweets_topic"
    partitions: int = 2
    mode: str = "embedded"  # one of MODES
    compose_file: Path = Path("docker/docker-compose.yml")  # for docker; in the project's folder
    broker_heap_mb: int = 256
    retention_hours: int = 24
    retention_mb: int = 512  # of each partition
    ready_seconds: float = 60
    answer_seconds: float = 5

    # Spark: one shuffle partition a core. The default of 200 makes a small micro-batch 17 times slower.
    spark_master: str = "local[2]"
    shuffle_partitions: int = 2
    driver_memory: str = "1g"
    spark_ui: bool = False

    # The question: which hashtags trend?
    window: str = "30 seconds"
    slide: str = "5 seconds"
    watermark: str = "30 seconds"
    trigger: str = "2 seconds"
    top: int = 10
    refresh_seconds: float = 5

    # Where all that the course makes is kept
    build_dir: Path = ROOT / "build"

    def __post_init__(self) -> None:
        # Relative to the project, because notebooks and child processes run in other folders, and must find the same.
        object.__setattr__(self, "build_dir", ROOT / self.build_dir)

    @property
    def host(self) -> str:
        """The first bootstrap server's host name."""
        return self.bootstrap_servers.split(",")[0].rpartition(":")[0]

    @property
    def port(self) -> int:
        """The first bootstrap server's port."""
        return int(self.bootstrap_servers.split(",")[0].rpartition(":")[2])

    def folder(self, name: str) -> Path:
        """The folder build/NAME, made if it is missing; SettingError where it cannot be written."""
        path = self.build_dir / name
        try:
            path.mkdir(parents=True, exist_ok=True)
            if os.access(path, os.W_OK):
                return path
            reason = "it is read-only"
        except OSError as error:
            reason = error.strerror
        raise SettingError(f"{path} cannot be written: {reason}", "set STREAM_BUILD_DIR to a folder that can")


def from_environment(environment: dict[str, str]) -> Settings:
    """The settings, with what STREAM_… variables override; SettingError for one that cannot be read."""
    values = {}
    for field in fields(Settings):
        name = f"STREAM_{field.name.upper()}"
        if name in environment:
            text = environment[name]
            try:
                values[field.name] = text.lower() in ("1", "true", "yes") if field.type is bool else field.type(text)
            except ValueError:
                raise SettingError(
                    f"{name}={text!r} is not a {field.type.__name__}",
                    f"unset it, or give it a value like the default: {name}={field.default}",
                ) from None
    settings = Settings(**values)
    try:
        if not settings.host or not 0 < settings.port < 65536:
            raise ValueError
    except ValueError:
        raise SettingError(
            f"STREAM_BOOTSTRAP_SERVERS={settings.bootstrap_servers!r} is not host:port",
            "give the broker's address, such as STREAM_BOOTSTRAP_SERVERS=localhost:9092",
        ) from None
    if settings.mode not in MODES:
        raise SettingError(f"there is no mode {settings.mode!r}", f"STREAM_MODE is one of {', '.join(MODES)}")
    return settings


settings = from_environment(dict(os.environ))
