"""Around the topic: the broker in containers, as `docker compose` starts them from a file in docker/.

What is in that file (images, published ports, memory) is read from it. `lib.infra` decides when to start it.
"""

import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from lib import topics
from lib.errors import BrokerError, DockerError, SettingError
from lib.infra import ports
from lib.infra.embedded import LOOPBACK
from lib.settings import ROOT, Settings
from lib.wait import wait_until

PULL_SECONDS = 1800  # for one image: the classic two are 1.7 GB unpacked, and a class room's network is slow
START_SECONDS = 240  # `up` itself waits until ZooKeeper is healthy
RESTARTS = 5  # of one container while we wait. After a crash ZooKeeper refuses the broker for 18 s, as "already there"
WITHOUT = "or do without Docker: python -m lib.infra up --mode embedded"
UNREACHABLE = ("failed to resolve", "dial tcp", "no such host", "timeout", "Timeout", "connection refused", "toomany")


@dataclass(frozen=True)
class Engine:
    """The Docker engine that the client talks to, and the memory that all its containers share."""

    version: str
    memory_mb: int


@dataclass(frozen=True)
class Container:
    """One of the stack's containers. `health` is empty where it has no health check."""

    name: str
    status: str
    exit_code: int
    health: str
    restarts: int

    @property
    def failed(self) -> bool:
        """Whether it ended by itself, and nobody starts it again."""
        return self.status in ("exited", "dead")

    def __str__(self) -> str:
        ended = f" with code {self.exit_code}" if self.failed or self.status == "restarting" else ""
        notes = "; ".join(filter(None, (self.health, f"restarts: {self.restarts}" if self.restarts else "")))
        return f"{self.name} {self.status}{ended}" + (f" ({notes})" if notes else "")


def prepare(settings: Settings) -> None:
    """See that Docker can start the stack, and pull the images that are missing, which may take minutes.

    Raises SettingError where the file or the address is not fit for it, DockerError where there is no client, no
    engine, too little memory, no compose command, or an image that cannot be pulled.
    """
    file = compose_file(settings)
    if settings.host not in LOOPBACK or settings.port not in published_ports(file):
        raise SettingError(
            f"the containers of {file.name} do not answer at {settings.bootstrap_servers}: they publish "
            + ", ".join(f"localhost:{port}" for port in published_ports(file)),
            "unset STREAM_BOOTSTRAP_SERVERS, or for a broker elsewhere: STREAM_MODE=external",
        )
    require_memory(file)
    require_compose()
    for image in images(file):
        if docker("image", "inspect", image).returncode:
            print(f"fetching the image {image}: once, and it may take some minutes", file=sys.stderr)
            run = docker("pull", "--quiet", image, seconds=PULL_SECONDS)
            if run.returncode:
                raise not_pulled(image, run.stderr)


def start(settings: Settings, file: Path, folder: Path) -> None:
    """Start the containers, those that exist again, and return when the broker answers.

    Where that fails they are removed again, their data kept and their output left in `folder`/docker.log.
    Raises BrokerError for a port that is taken or a broker that does not get ready, else DockerError.
    """
    if not containers(file):
        for port in filter(is_open, published_ports(file)):
            raise taken(port)
    try:
        run = compose(file, "up", "--detach", seconds=START_SECONDS)
        if run.returncode:
            raise failure(run.stderr)
        wait_for_broker(settings, file)
    except (BrokerError, DockerError):
        with suppress(DockerError):
            log = compose(file, "logs", "--no-color", "--tail", "200").stdout
            (folder / "docker.log").write_text(log, encoding="utf-8")
        with suppress(DockerError):
            stop(file)
        raise


def wait_for_broker(settings: Settings, file: Path) -> None:
    """Wait until the broker answers; BrokerError where it takes too long, or ends, once or again and again."""
    restarts = {container.name: container.restarts for container in containers(file)}
    codes = set()  # seen on the way: a container that was restarted no longer tells why

    def over() -> bool:
        found = containers(file)
        codes.update(container.exit_code for container in found)
        ended = (c.failed or c.restarts - restarts.get(c.name, 0) > RESTARTS for c in found)
        return topics.answers() or any(ended)

    what = "ended"
    try:
        wait_until(over, seconds=settings.ready_seconds, every=0.5)
    except TimeoutError:
        what = f"is not ready after {settings.ready_seconds:g} s"
    if not topics.answers():
        raise not_ready(containers(file), what, killed=137 in codes)


def stop(file: Path, volumes: bool = False) -> str:
    """Stop and remove the containers, with `volumes` their data too; their names. DockerError where that fails."""
    names = ", ".join(container.name for container in containers(file))
    run = compose(file, "down", *(["--volumes"] if volumes else []), seconds=120)
    if run.returncode:
        raise DockerError(f"the containers could not be removed: {last_line(run.stderr)}", "see: docker ps --all")
    return names


def containers(file: Path) -> list[Container]:
    """The stack's containers, running or not; DockerError where Docker cannot be asked."""
    run = compose(file, "ps", "--all", "--quiet")
    if run.returncode:
        engine(), require_compose()  # the likelier reasons, with their own remedies
        raise DockerError(f"{file.name} could not be used: {last_line(run.stderr)}", f"see: {typed(file)} config")
    if not run.stdout.split():
        return []
    health = "{{if .State.Health}}{{.State.Health.Status}}{{end}}"
    columns = f"{{{{.Name}}}}|{{{{.State.Status}}}}|{{{{.State.ExitCode}}}}|{health}|{{{{.RestartCount}}}}"
    rows = docker("inspect", "--format", columns, *run.stdout.split()).stdout.split()
    fields = (row.removeprefix("/").split("|") for row in rows)
    return sorted(
        (Container(name, status, int(code), health, int(restarts)) for name, status, code, health, restarts in fields),
        key=lambda container: container.name,
        reverse=True,  # in the order in which they start
    )


def engine() -> Engine:
    """The engine that answers; DockerError where there is no client, or no engine behind it."""
    run = docker("info", "--format", "{{.ServerVersion}}|{{.MemTotal}}")
    version, _, memory = run.stdout.strip().partition("|")
    if not run.returncode and version and memory.isdigit():
        return Engine(version, int(memory) // 1024**2)
    reason = last_line(run.stderr)
    if "permission denied" in reason.lower():
        raise DockerError(
            f"you may not use Docker: {reason}",
            f"sudo usermod -aG docker $USER, then log out and in again; {WITHOUT}",
        )
    raise DockerError(
        f"the Docker engine does not answer: {reason}",
        f"start it: open Docker Desktop and wait until it says running (Linux: sudo systemctl start docker); {WITHOUT}",
    )


def require_memory(file: Path) -> tuple[Engine, int]:
    """The engine, and the memory in MB that the file's containers may take; DockerError where it has less."""
    found, needed = engine(), memory_mb(file)
    if found.memory_mb < needed:
        raise DockerError(
            f"Docker may use {found.memory_mb} MB of memory, and the containers of {file.name} up to {needed} MB",
            f"give it more: Docker Desktop, Settings, Resources (with WSL: memory= in .wslconfig); {WITHOUT}",
        )
    return found, needed


def require_compose() -> None:
    """DockerError where the Docker client has no command `compose`."""
    if docker("compose", "version").returncode:
        raise DockerError(
            "the Docker client has no command `docker compose`",
            f"install its plugin (Debian and Ubuntu: docker-compose-plugin or docker-compose-v2); {WITHOUT}",
        )


def compose(file: Path, *arguments: str, seconds: float = 30) -> subprocess.CompletedProcess:
    """Run `docker compose -f FILE ARGUMENTS…`; DockerError as for `docker`."""
    return docker("compose", "--file", str(file), *arguments, seconds=seconds)


def docker(*arguments: str, seconds: float = 20) -> subprocess.CompletedProcess:
    """Run the Docker client to its end; DockerError where there is none, or where it takes longer than `seconds`."""
    client = shutil.which("docker")
    if not client:
        raise DockerError(
            "there is no Docker here: no program `docker` on PATH",
            "install Docker Desktop (Windows, macOS) or Docker Engine (Linux) as docs.docker.com/get-docker says; "
            + WITHOUT,
        )
    process = subprocess.Popen(
        [client, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=seconds)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)
    except subprocess.TimeoutExpired:
        raise DockerError(
            f"`docker {' '.join(arguments[:4])} …` did not end within {seconds:g} s",
            f"restart Docker (Docker Desktop: Restart; Linux: sudo systemctl restart docker); {WITHOUT}",
        ) from None
    finally:  # after Ctrl-C too; the command `compose` is a child of the client, and holds its output open
        with suppress(psutil.Error):
            for child in [*psutil.Process(process.pid).children(recursive=True), process]:
                child.kill()
        process.wait()


def not_pulled(image: str, errors: str) -> DockerError:
    """The error for an image that could not be pulled: for want of a network, or because there is no such image."""
    network = any(word in errors for word in UNREACHABLE)
    advice = (
        f"check the network and Docker's own proxy setting, then type: docker pull {image}. Without a network, bring "
        f"it from a machine that has it: docker save {image} -o image.tar there, docker load -i image.tar here"
    )
    return DockerError(
        f"the image {image} could not be pulled: {last_line(errors)}",
        f"{advice if network else 'see the name and the version in the compose file'}; {WITHOUT}",
    )


def failure(errors: str) -> BrokerError | DockerError:
    """What `docker compose up` said, as an error with its remedy."""
    reason = last_line(errors)
    if found := re.search(r'container name "/?([^"]+)" is already in use', errors):
        return DockerError(
            f"a container named {found[1]} is there already, of another project",
            f"see it: docker ps --all; remove it if you do not need it: docker rm --force {found[1]}",
        )
    if re.search(r"already allocated|already in use|orts are not available|bind:", errors):
        found = re.search(r"\d\.\d+:(\d+)", reason)
        return taken(int(found[1]) if found else 0, f" (Docker: {reason})")
    return DockerError(f"the containers could not be started: {reason}", "see build/broker/docker.log")


def taken(port: int, said: str = "") -> BrokerError:
    """The error for a port that the stack publishes and something else has."""
    return BrokerError(
        f"port {port} is taken by {published_by(port) or ports.owner(port)}{said}",
        "end that program (a container: docker stop NAME; a broker of the course: python -m lib.infra down). On "
        "Windows a port may be reserved, and then no program has it: netsh interface ipv4 show excludedportrange tcp",
    )


def not_ready(found: list[Container], what: str, killed: bool) -> BrokerError:
    """The error for a broker that does not get ready, from how its containers are."""
    return BrokerError(
        f"the broker {what}: {', '.join(map(str, found)) or 'no container is there'}",
        "code 137 means killed, most often for want of memory: give Docker more (Docker Desktop, Settings, Resources)"
        if killed
        else "see build/broker/docker.log; to begin anew without the data: "
        "python -m lib.infra down --mode docker --volumes",
    )


def published_by(port: int) -> str:
    """The container that publishes a port ("the container kafka"), else nothing."""
    with suppress(DockerError):
        names = docker("ps", "--filter", f"publish={port}", "--format", "{{.Names}}").stdout.split()
        return f"the container {names[0]}" if names else ""
    return ""


def is_open(port: int) -> bool:
    """Whether something listens at a port of 127.0.0.1."""
    return topics.port_is_open(f"127.0.0.1:{port}")


def compose_file(settings: Settings) -> Path:
    """The chosen compose file; a relative name is one of the project's."""
    return ROOT / settings.compose_file


def images(file: Path) -> list[str]:
    """The images that the compose file names."""
    return [service["image"] for service in services(file)]


def published_ports(file: Path) -> list[int]:
    """The ports of this machine that the compose file publishes."""
    return [int(str(port).split(":")[-2]) for service in services(file) for port in service.get("ports", [])]


def memory_mb(file: Path) -> int:
    """What all its containers together may take."""
    unit = {"m": 1, "g": 1024}
    limits = [str(service.get("mem_limit", "0m")).lower().rstrip("b") for service in services(file)]
    return sum(int(float(limit[:-1]) * unit[limit[-1]]) for limit in limits)


def services(file: Path) -> list[dict]:
    """The compose file's services; SettingError where it cannot be read."""
    try:
        return list(yaml.safe_load(file.read_text(encoding="utf-8"))["services"].values())
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise SettingError(
            f"{file} is not a compose file that can be read", "unset STREAM_COMPOSE_FILE, or name one of docker/"
        ) from None


def last_line(text: str) -> str:
    """What Docker said last, its engine's own words before its client's."""
    lines = text.strip().splitlines() or ["no reason given"]
    said = [line for line in lines if "Error response from daemon: " in line] or lines
    return said[-1].rpartition("Error response from daemon: ")[2].strip()


def typed(file: Path) -> str:
    return f"docker compose -f docker/{file.name}"
