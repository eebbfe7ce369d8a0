"""Compose stack: the containers of one Compose file, controlled by the command `docker compose`.

Images, published ports and memory limits are read from the file itself, which needs no Docker.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from lib.errors import BrokerError, DockerError, SettingError
from lib.infra import ports
from lib.infra.docker import docker, engine, last_line, published_by, pull, require_compose
from lib.settings import ROOT
from lib.topics import Cluster
from lib.wait import wait_until

START_SECONDS = 240  # `docker compose up` itself waits until ZooKeeper is healthy
RESTARTS = 10  # of one container during `up`: after a crash ZooKeeper refuses the broker for 18 s, 6 or 7 restarts
KILLED = 137  # the exit code after SIGKILL


@dataclass(frozen=True)
class Container:
    """One of the stack's containers. `health` is empty if it has no health check."""

    name: str
    status: str
    exit_code: int
    health: str
    restarts: int

    @classmethod
    def from_inspect(cls, found: dict[str, Any]) -> Self:
        """From one object of `docker inspect`."""
        state = found["State"]
        health = (state.get("Health") or {}).get("Status", "")
        return cls(found["Name"].lstrip("/"), state["Status"], state["ExitCode"], health, found["RestartCount"])

    @property
    def failed(self) -> bool:
        """Whether it has ended and Docker does not restart it."""
        return self.status in ("exited", "dead")

    def __str__(self) -> str:
        ended = f" with code {self.exit_code}" if self.failed or self.status == "restarting" else ""
        notes = "; ".join(filter(None, (self.health, f"restarts: {self.restarts}" if self.restarts else "")))
        return f"{self.name} {self.status}{ended}" + (f" ({notes})" if notes else "")


@dataclass(frozen=True)
class Stack:
    """The stack of a Compose file. Raises SettingError if the file is needed and cannot be read."""

    file: Path

    @property
    def services(self) -> list[dict[str, Any]]:
        try:
            return list(yaml.safe_load(self.file.read_text(encoding="utf-8"))["services"].values())
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
            raise SettingError(
                f"{self.file} cannot be read as a Compose file",
                "unset STREAM_COMPOSE_FILE, or set it to a file in docker/",
                option="STREAM_COMPOSE_FILE", value=self.file,
            ) from None  # fmt: skip

    @property
    def images(self) -> list[str]:
        return [service["image"] for service in self.services]

    @property
    def ports(self) -> list[int]:
        """The ports of this machine that the file publishes."""
        return [int(str(port).split(":")[-2]) for service in self.services for port in service.get("ports", [])]

    @property
    def memory_mb(self) -> int:
        """The sum of its containers' memory limits."""
        unit = {"m": 1, "g": 1024}
        limits = [str(service.get("mem_limit", "0m")).lower().rstrip("b") for service in self.services]
        return sum(int(float(limit[:-1]) * unit[limit[-1]]) for limit in limits)

    def compose(self, *arguments: str, seconds: float = 30) -> subprocess.CompletedProcess:
        """Run `docker compose --file FILE ARGUMENTS…`; DockerError as for `docker`."""
        return docker("compose", "--file", str(self.file), *arguments, seconds=seconds)

    def typed(self, command: str) -> str:
        """The command line that a user types in the project's folder."""
        file = self.file.relative_to(ROOT) if self.file.is_relative_to(ROOT) else self.file
        return f"docker compose -f {file} {command}"

    def containers(self) -> list[Container]:
        """Its containers, running or not, in the order in which they start; DockerError if Docker does not answer.

        Uses `docker inspect`, because `docker compose ps` does not report restarts.
        """
        done = self.compose("ps", "--all", "--quiet")
        if done.returncode:
            engine(), require_compose()  # the likelier reasons, with their own remedies
            reason = last_line(done.stderr)
            raise DockerError(f"{self.file.name} could not be used: {reason}", f"see: {self.typed('config')}")
        ids = done.stdout.split()
        found = json.loads(docker("inspect", *ids).stdout or "[]") if ids else []
        return sorted(map(Container.from_inspect, found), key=lambda container: container.name, reverse=True)

    def pull(self) -> None:
        """Download the images that are missing."""
        for image in self.images:
            if docker("image", "inspect", image).returncode:
                print(f"downloading the image {image}, once; it may take some minutes", file=sys.stderr)
                pull(image)

    def refuse_taken_ports(self) -> None:
        """Raise BrokerError if another program uses one of its ports and no container of the stack exists."""
        if not self.containers():
            for port in filter(ports.is_open, self.ports):
                raise taken(port)

    def up(self, cluster: Cluster, ready_seconds: float) -> None:
        """Create the containers, or restart those that exist, and return when the broker answers.

        Raises BrokerError for a port in use or a broker that is not ready in time, and DockerError for other failures.
        """
        done = self.compose("up", "--detach", seconds=START_SECONDS)
        if done.returncode:
            raise refused(done.stderr)
        self.wait_for_broker(cluster, ready_seconds)

    def wait_for_broker(self, cluster: Cluster, seconds: float) -> None:
        """Wait until the broker answers; BrokerError if it ends, restarts too often, or takes too long.

        `docker compose up --wait` would fail at the first restart, wait for the next health check, and hide exit codes.
        """
        before = {container.name: container.restarts for container in self.containers()}
        codes = set()  # collected while waiting: a restart erases a container's exit code

        def over() -> bool:
            found = self.containers()
            codes.update(container.exit_code for container in found)
            ended = (c.failed or c.restarts - before.get(c.name, 0) > RESTARTS for c in found)
            return cluster.answers() or any(ended)

        what = "ended"
        try:
            wait_until(over, seconds, every=0.5)
        except TimeoutError:
            what = f"is not ready after {seconds:g} s"
        if not cluster.answers():
            raise not_ready(self.containers(), what, killed=KILLED in codes)

    def down(self, volumes: bool = False) -> str:
        """Remove the containers, with `volumes` also their data. Returns their names; DockerError if that fails."""
        names = ", ".join(container.name for container in self.containers())
        done = self.compose("down", *(["--volumes"] if volumes else []), seconds=120)
        if done.returncode:
            raise DockerError(f"the containers could not be removed: {last_line(done.stderr)}", "see: docker ps --all")
        return names


def refused(errors: str) -> BrokerError | DockerError:
    """Turn what `docker compose up` wrote to standard error into an error with a remedy."""
    reason = last_line(errors)
    if found := re.search(r'container name "/?([^"]+)" is already in use', errors):
        return DockerError(
            f"a container named {found[1]} already exists in another project",
            f"see it: docker ps --all; remove it if you do not need it: docker rm --force {found[1]}",
            container=found[1], reason=reason,
        )  # fmt: skip
    if re.search(r"already allocated|already in use|orts are not available|bind:", errors):
        found = re.search(r"\d\.\d+:(\d+)", reason)
        return taken(int(found[1]) if found else 0, f" (Docker: {reason})")
    return DockerError(f"the containers could not be started: {reason}", "see build/broker/docker.log", reason=reason)


def taken(port: int, details: str = "") -> BrokerError:
    """The error for a port that the stack publishes and another program uses."""
    owner = published_by(port) or ports.owner(port)
    return BrokerError(
        f"port {port} is taken by {owner}{details}",
        "end that program (a container: docker stop NAME; a broker of the course: python -m lib.infra down). On "
        "Windows a port may be reserved without any program: netsh interface ipv4 show excludedportrange protocol=tcp",
        port=port, owner=owner,
    )  # fmt: skip


def not_ready(found: list[Container], what: str, killed: bool) -> BrokerError:
    """The error for a broker that does not get ready, from the states of its containers."""
    return BrokerError(
        f"the broker {what}: {', '.join(map(str, found)) or 'it has no container'}",
        f"exit code {KILLED} means killed: by `docker kill`, or more often because memory ran out; then give it more "
        "(Docker Desktop, Settings, Resources). The data is kept; start it again: python -m lib.infra up --mode docker"
        if killed
        else "see build/broker/docker.log; to start again without the data: "
        "python -m lib.infra down --mode docker --volumes",
        containers=found, killed=killed,
    )  # fmt: skip
