"""Docker client: runs `docker` commands, queries the engine, and turns failures into errors with a remedy."""

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass

import psutil

from lib.errors import DockerError

PULL_SECONDS = 1800  # for one image: the two classic ones are 1.7 GB unpacked, and a classroom's network is slow
WITHOUT = "or do without Docker: python -m lib.infra up --mode embedded"
UNREACHABLE = ("failed to resolve", "dial tcp", "no such host", "timeout", "Timeout", "connection refused", "toomany")


@dataclass(frozen=True)
class Engine:
    """The Docker engine that the client talks to, and the memory that all its containers share."""

    version: str
    memory_mb: int


def docker(*arguments: str, seconds: float = 20) -> subprocess.CompletedProcess:
    """Run `docker ARGUMENTS…` to its end; DockerError if there is no client, or it takes longer than `seconds`."""
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
            seconds=seconds,
        ) from None
    finally:  # after Ctrl-C too; the command `compose` is a child process of the client, and keeps its output open
        with suppress(psutil.Error):
            for child in [*psutil.Process(process.pid).children(recursive=True), process]:
                child.kill()
        process.wait()


def engine() -> Engine:
    """The engine; DockerError if there is no client, or if no engine answers it."""
    done = docker("info", "--format", "{{.ServerVersion}}|{{.MemTotal}}")
    version, _, memory = done.stdout.strip().partition("|")
    if not done.returncode and version and memory.isdigit():
        return Engine(version, int(memory) // 1024**2)
    reason = last_line(done.stderr)
    denied = "permission denied" in reason.lower()
    what = "you have no permission to use Docker" if denied else "the Docker engine does not answer"
    group = "sudo usermod -aG docker $USER, then log out and in again"
    start = "start it: open Docker Desktop and wait until it says running (Linux: sudo systemctl start docker)"
    remedy = f"{group if denied else start}; {WITHOUT}"
    raise DockerError(f"{what}: {reason}", remedy, denied=denied, reason=reason)


def require_memory(needed_mb: int, file: str) -> Engine:
    """The engine; DockerError if it has less memory than the containers of a Compose file may use."""
    found = engine()
    if found.memory_mb < needed_mb:
        raise DockerError(
            f"Docker has {found.memory_mb} MB of memory, but the containers of {file} may use up to {needed_mb} MB",
            f"give it more: Docker Desktop, Settings, Resources (with WSL: memory= in .wslconfig); {WITHOUT}",
            memory_mb=found.memory_mb, needed_mb=needed_mb,
        )  # fmt: skip
    return found


def require_compose() -> None:
    """Raise DockerError if the Docker client has no command `compose`."""
    if docker("compose", "version").returncode:
        raise DockerError(
            "the Docker client has no command `docker compose`",
            f"install its plugin (Debian and Ubuntu: docker-compose-plugin or docker-compose-v2); {WITHOUT}",
            command="compose",
        )


def pull(image: str) -> None:
    """Download an image; DockerError if there is no network or no such image."""
    done = docker("pull", "--quiet", image, seconds=PULL_SECONDS)
    if not done.returncode:
        return
    network = any(word in done.stderr for word in UNREACHABLE)
    advice = (
        f"check the network and Docker's own proxy setting, then type: docker pull {image}. Without a network, copy "
        f"it from a machine that has it: docker save {image} -o image.tar there, docker load -i image.tar here"
    )
    reason = last_line(done.stderr)
    raise DockerError(
        f"the image {image} could not be pulled: {reason}",
        f"{advice if network else 'check the name and the version in the Compose file'}; {WITHOUT}",
        image=image, network=network, reason=reason,
    )  # fmt: skip


def published_by(port: int) -> str:
    """The container that publishes a port ("the container kafka"); empty if there is none, or no Docker."""
    with suppress(DockerError):
        names = docker("ps", "--filter", f"publish={port}", "--format", "{{.Names}}").stdout.split()
        return f"the container {names[0]}" if names else ""
    return ""


def last_line(text: str) -> str:
    """The last line of Docker's messages; the engine's own if there is one, rather than the client's."""
    lines = text.strip().splitlines() or ["no reason given"]
    daemon = [line for line in lines if "Error response from daemon: " in line] or lines
    return daemon[-1].rpartition("Error response from daemon: ")[2].strip()
