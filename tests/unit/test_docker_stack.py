"""The containers' life, and what is said where Docker cannot do it.

Most of it runs without an engine: a stand-in for the program `docker` says, to the letter, what the real one said.
"""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from lib import infra
from lib.errors import BrokerError
from lib.infra import compose as docker_stack
from lib.settings import Settings
from lib.wait import wait_until
from tests.conftest import free_port, gone

DESKTOP = "28.2.2|8000000000"  # version and bytes of memory, as `docker info` tells them


@pytest.fixture
def stack(tmp_path):
    """The environment of a stack apart from the user's: its own compose file, port and folder."""
    port = free_port()
    (tmp_path / "compose.yml").write_text(
        f"""
name: arqesp-tests
services:
  kafka:
    image: localhost:1/no-such-image:1
    ports: ["127.0.0.1:{port}:9092"]
    mem_limit: 1g
"""
    )
    return {
        "STREAM_MODE": "docker",
        "STREAM_COMPOSE_FILE": str(tmp_path / "compose.yml"),
        "STREAM_BUILD_DIR": str(tmp_path / "build"),
        "STREAM_BOOTSTRAP_SERVERS": f"localhost:{port}",
        "STREAM_READY_SECONDS": "1",
    }


@pytest.fixture
def stand_in(tmp_path, stack):
    """Put a `docker` on PATH that answers `docker info`, and else what the lines of shell say."""

    def make(lines: str = "", info: str = DESKTOP) -> dict:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\n[ "$1" = info ] && echo "{info}"\n{lines}\nexit 0\n')
        program.chmod(0o755)
        return stack | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}

    return make


def refused(run, *words: str) -> None:
    """It ended with code 1 and our own few lines, with these words in them."""
    assert run.returncode == 1 and run.stdout == "" and "Traceback" not in run.stderr
    assert "What to do: " in run.stderr
    for word in words:
        assert word in run.stderr


def test_without_docker(run_module, stack, tmp_path):
    run = run_module("infra", "up", environment=stack | {"PATH": str(tmp_path)})
    refused(run, "DockerError: there is no Docker here", "install Docker Desktop", "--mode embedded")
    status = run_module("infra", "status", environment=stack | {"PATH": str(tmp_path)})
    assert status.returncode == 1 and "there is no Docker here" in status.stdout and status.stderr == ""
    down = run_module("infra", "down", environment=stack | {"PATH": str(tmp_path)})
    assert down.returncode == 0 and "no broker of ours was running" in down.stdout


@pytest.mark.skipif(not shutil.which("docker"), reason="no Docker client is installed")
def test_without_an_engine(run_module, stack, tmp_path):
    run = run_module("infra", "up", environment=stack | {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"})
    refused(run, "the Docker engine does not answer: Cannot connect to the Docker daemon", "open Docker Desktop")


def test_without_the_right_to_use_it(run_module, stand_in):
    said = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
    run = run_module("infra", "up", environment=stand_in(f"echo '{said}' >&2; exit 1", info=""))
    refused(run, "you may not use Docker", "usermod -aG docker")


def test_without_compose(run_module, stand_in):
    run = run_module("infra", "up", environment=stand_in('[ "$1" = compose ] && exit 1'))
    refused(run, "no command `docker compose`", "docker-compose-plugin")


def test_with_too_little_memory(run_module, stand_in):
    run = run_module("infra", "up", environment=stand_in(info="28.2.2|1000000000"))
    refused(run, "Docker may use 953 MB of memory", "compose.yml up to 1024 MB", "Resources")


def test_with_an_image_that_does_not_exist(run_module, stand_in):
    said = "Error response from daemon: manifest for confluentinc/cp-kafka:9.9.9 not found: manifest unknown"
    lines = f"""[ "$1" = image ] && exit 1; [ "$1" = pull ] && echo '{said}' >&2 && exit 1"""
    run = run_module("infra", "up", environment=stand_in(lines))
    refused(run, "could not be pulled: manifest for", "see the name and the version in the compose file")


@pytest.mark.docker
def test_with_an_image_that_cannot_be_reached(run_module, stack):
    run = run_module("infra", "up", environment=stack)
    refused(run, "the image localhost:1/no-such-image:1 could not be pulled: ", "check the network", "docker load -i")


def test_with_a_port_that_is_taken(run_module, stand_in):
    environment = stand_in()
    port = int(environment["STREAM_BOOTSTRAP_SERVERS"].split(":")[1])
    with socket.create_server(("127.0.0.1", port)):
        run = run_module("infra", "up", environment=environment)
    refused(run, f"port {port} is taken by", f"(process {os.getpid()})", "end that program")


def test_with_a_port_that_another_container_has(run_module, stand_in):
    environment = stand_in('[ "$1" = ps ] && echo other-kafka')
    port = int(environment["STREAM_BOOTSTRAP_SERVERS"].split(":")[1])
    with socket.create_server(("127.0.0.1", port)):
        run = run_module("infra", "up", environment=environment)
    refused(run, f"port {port} is taken by the container other-kafka", "docker stop NAME")


@pytest.mark.parametrize(
    "said, told",
    [
        (
            "Error response from daemon: driver failed programming external connectivity on endpoint kafka (1f): "
            "Bind for 127.0.0.1:9092 failed: port is already allocated",
            "port 9092 is taken by ",
        ),
        (
            "Error response from daemon: Ports are not available: exposing port TCP 127.0.0.1:2181 -> 127.0.0.1:0: "
            "listen tcp 127.0.0.1:2181: bind: An attempt was made to access a socket in a way forbidden by its access "
            "permissions.",
            "port 2181 is taken by ",
        ),
        (
            'Error response from daemon: Conflict. The container name "/kafka" is already in use by container "5e0". '
            "You have to remove (or rename) that container to be able to reuse that name.",
            "a container named kafka is there already",
        ),
        ("no space left on device", "the containers could not be started: no space left on device"),
    ],
)
def test_what_docker_refuses_is_told(said, told):
    error = docker_stack.failure(f" Container zookeeper  Starting\n{said}\n")
    assert error.what.startswith(told) and error.remedy


def test_a_start_that_fails_leaves_nothing(run_module, stand_in, tmp_path):
    """The kafka container was killed for want of memory; what there was of the stack is removed, its log kept."""
    lines = """
case "$1 $4" in
  "compose ps") [ -e "$0.up" ] && echo 1f2e ;;
  "compose up") touch "$0.up" ;;
  "compose logs") echo 'kafka | java.lang.OutOfMemoryError' ;;
  "compose down") rm "$0.up"; echo "$@" >"$0.down" ;;
esac
[ "$1" = inspect ] && echo '/kafka|exited|137||0'
"""
    run = run_module("infra", "up", environment=stand_in(lines))
    refused(run, "the broker ended: kafka exited with code 137", "code 137 means killed")
    assert (tmp_path / "bin" / "docker.down").read_text().split()[-1] == "down", "and not its data"
    assert "OutOfMemoryError" in (tmp_path / "build" / "broker" / "docker.log").read_text()
    assert not (tmp_path / "build" / "broker" / "state.json").exists()


def test_a_broker_that_is_restarted_again_and_again_is_given_up_with_the_reason(run_module, stand_in):
    """Each look finds one restart more; only the look in between two runs sees how the last one ended."""
    lines = """
case "$1 $4" in
  "compose ps") [ -e "$0.up" ] && echo 1f2e ;;
  "compose up") touch "$0.up" ;;
  "compose down") rm "$0.up" ;;
esac
[ "$1" = inspect ] && {
  n=$(($(cat "$0.looks" 2>/dev/null) + 1)); echo $n >"$0.looks"
  [ $n = 3 ] && echo "/kafka|restarting|137||$n" || echo "/kafka|running|0|starting|$n"
}
"""
    run = run_module("infra", "up", environment=stand_in(lines) | {"STREAM_READY_SECONDS": "60"})
    refused(run, "the broker ended: kafka running (starting; restarts: ", "code 137 means killed")


def test_a_broker_that_once_crashed_is_waited_for(stand_in, monkeypatch):
    """How often it was restarted before we came says nothing: ZooKeeper refuses a crashed broker for a while."""
    environment = stand_in("""[ "$1" = compose ] && echo 1f2e; [ "$1" = inspect ] && echo '/kafka|running|0||9'""")
    monkeypatch.setenv("PATH", environment["PATH"])
    monkeypatch.setattr(docker_stack.topics, "answers", lambda: False)
    settings = Settings(ready_seconds=1)
    with pytest.raises(BrokerError, match=r"is not ready after 1 s: kafka running \(restarts: 9\)"):
        docker_stack.wait_for_broker(settings, docker_stack.compose_file(settings))


def test_a_docker_that_hangs_is_given_up(stand_in, monkeypatch):
    environment = stand_in('[ "$1" = wait ] && { sleep 600 & echo $! >"$0.pid"; wait; }')
    monkeypatch.setenv("PATH", environment["PATH"])
    with pytest.raises(docker_stack.DockerError, match="did not end within 1 s"):
        docker_stack.docker("wait", seconds=1)
    started = int(Path(shutil.which("docker") + ".pid").read_text())
    wait_until(lambda: gone(started), seconds=5)


def test_what_is_started_is_remembered_attached_to_and_ended(broker, run_module, stand_in, tmp_path):
    """The tests' broker plays the containers' part."""
    lines = """
case "$1 $4" in
  "compose ps") [ -e "$0.up" ] && echo 1f2e ;;
  "compose down") rm -f "$0.up"; echo "$@" >>"$0.down" ;;
esac
[ "$1" = inspect ] && echo '/kafka|running|0|healthy|0'
"""
    environment = stand_in(lines)
    state = tmp_path / "build" / "broker" / "state.json"
    ours = environment | {"STREAM_BOOTSTRAP_SERVERS": broker.bootstrap_servers}

    (tmp_path / "bin" / "docker.up").touch()
    state.parent.mkdir(parents=True)
    remembered = infra.State(None, broker.bootstrap_servers, environment["STREAM_COMPOSE_FILE"])
    state.write_text(json.dumps(vars(remembered)))
    assert "was up already (docker, containers)" in run_module("infra", "up", environment=ours).stdout
    assert "containers: kafka running (healthy)" in run_module("infra", "status", environment=ours).stdout
    down = run_module("infra", "down", "--volumes", environment=ours)
    assert "containers stopped and removed (kafka); its data is removed" in down.stdout
    assert (tmp_path / "bin" / "docker.down").read_text().split()[-2:] == ["down", "--volumes"]
    assert not state.exists()
    again = run_module("infra", "down", "--volumes", environment=ours).stdout
    assert "no broker of ours" in again and "stays, with its data" in again, (
        "a stack that others started is not touched"
    )


def test_an_address_that_the_containers_do_not_have(run_module, stack):
    run = run_module("infra", "up", environment=stack | {"STREAM_BOOTSTRAP_SERVERS": "localhost:9"})
    refused(run, "do not answer at localhost:9: they publish localhost:", "unset STREAM_BOOTSTRAP_SERVERS")
    run = run_module("infra", "up", environment=stack | {"STREAM_COMPOSE_FILE": "no-such.yml"})
    refused(run, "no-such.yml is not a compose file that can be read")
