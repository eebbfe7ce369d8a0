"""Secured broker for the tests: an embedded one with SASL_SSL, and its users, configured by variables alone."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from lib import infra
from lib.settings import Settings
from lib.topics import Cluster
from lib.topics.users import allow_reading, set_password
from tests.conftest import free_port


@dataclass
class Secured:
    """The broker's folder and passwords. `student` may read the topic `open`, and not the topic `hidden`."""

    folder: Path
    port: int = field(default_factory=free_port)
    cores: dict[str, str] = field(default_factory=dict)  # of each user's password: the part to look for in a file

    def environment(self, user: str = "teacher", **changes: str) -> dict[str, str]:
        """The variables of a user, some of them changed: `environment("student", SASL_PASSWORD="wrong")`."""
        own = {
            "BUILD_DIR": str(self.folder),
            "BOOTSTRAP_SERVERS": f"localhost:{self.port}",
            "SECURITY_PROTOCOL": "SASL_SSL",
            "SASL_USER": user,
            "SASL_PASSWORD": self.password(user),
            "SSL_CA_FILE": str(self.folder / "broker" / "tls" / "ca.pem"),
        }
        return {f"STREAM_{name}": value for name, value in (own | changes).items()}

    def password(self, user: str) -> str:
        """With what Java's and Kafka's configurations would have to escape."""
        return self.cores.setdefault(user, secrets.token_hex(8)) + '"\\,;] =é'

    def settings(self, user: str = "teacher", **changes: str) -> Settings:
        return Settings.from_environment(os.environ | self.environment(user, **changes))

    def cluster(self, user: str = "teacher", **changes: str) -> Cluster:
        return Cluster.of(self.settings(user, **changes))

    def up(self) -> None:
        infra.up(self.settings())
        with self.cluster() as cluster:
            for topic in ("open", "hidden"):
                cluster.create(topic, partitions=2)
            set_password(cluster, "student", self.password("student"))
            allow_reading(cluster, "student", "open")
