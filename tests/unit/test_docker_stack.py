"""Mode docker without an engine: a stand-in for the program `docker` answers, word for word, as the real one did."""

import json
import os
import shutil
import socket
from itertools import count
from types import SimpleNamespace

import psutil
import pytest

from lib import infra
from lib.errors import BrokerError, DockerError, SettingError
from lib.infra import compose
from lib.infra.compose import Container, Stack
from lib.infra.docker import docker
from lib.infra.state import Started, State
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import wait_until
from tests.conftest import free_port, gone

KILLED = Container("kafka", "exited", 137, "", 0)


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
        "STREAM_ANSWER_SECONDS": "0.2",
    }


@pytest.fixture
def settings(stack):
    return Settings.from_environment(stack)


@pytest.fixture
def refused(run_main, stack):
    """Run `python -m lib.infra up`, which fails, and return the type of its error and the error's data."""

    def up(**changed: str) -> tuple[type, dict]:
        run = run_main("infra", "up", environment=stack | changed)
        assert run.returncode == 1 and run.stdout == "" and run.error.remedy
        return type(run.error), run.error.data

    return up


@pytest.fixture
def quick_looks(monkeypatch):
    """Let the containers' states be asked for without a pause."""
    monkeypatch.setattr(compose, "wait_until", lambda over, seconds, every: wait_until(over, seconds, every=0))


def inspect(container: Container) -> str:
    """A line of shell: what `docker inspect` tells of the one container."""
    told = {
        "Name": f"/{container.name}",
        "State": {"Status": container.status, "ExitCode": container.exit_code},
        "RestartCount": "RESTARTS",
    }
    if container.health:
        told["State"]["Health"] = {"Status": container.health}
    text = json.dumps([told]).replace('"', r"\"").replace(r"\"RESTARTS\"", str(container.restarts))
    return f'[ "$1" = inspect ] && echo "{text}"'


def life(looks: str) -> str:
    """Lines of shell: `docker compose up` makes a container, which `docker compose down` removes."""
    return f"""
case "$1 $4" in
  "compose ps") [ -e "$0.up" ] && echo 1f2e ;;
  "compose up") touch "$0.up" "$0.ready" ;;
  "compose logs") echo 'kafka | java.lang.OutOfMemoryError' ;;
  "compose down") rm -f "$0.up" "$0.ready"; echo "$@" >>"$0.down" ;;
esac
{looks}
"""


# What Docker lacks


def test_without_docker(run_main, refused, stack, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused() == (DockerError, {})
    status = run_main("infra", "status", environment=stack)
    assert status.returncode == 1 and status.error is None and "no program `docker`" in status.stdout
    down = run_main("infra", "down", environment=stack)
    assert down.returncode == 0 and down.error is None


@pytest.mark.skipif(not shutil.which("docker"), reason="no Docker client is installed")
def test_without_an_engine(refused, tmp_path):
    error, data = refused(DOCKER_HOST=f"unix://{tmp_path}/no.sock")
    assert error is DockerError and not data["denied"] and "no.sock" in data["reason"]


def test_without_the_right_to_use_it(refused, stand_in):
    said = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
    stand_in(f"echo '{said}' >&2; exit 1")
    assert refused() == (DockerError, {"denied": True, "reason": said})


def test_without_compose(refused, stand_in):
    program = stand_in('case "$1" in compose|image) exit 1;; pull) touch "$0.pulled";; esac')
    assert refused() == (DockerError, {"command": "compose"})
    assert not program.with_name("docker.pulled").exists(), "it is missing before a long download, not after"


def test_with_too_little_memory(refused, stand_in):
    stand_in(memory=1024**3 - 1)
    assert refused() == (DockerError, {"memory_mb": 1023, "needed_mb": 1024})


@pytest.mark.parametrize(
    "reason, network",
    [
        ("manifest for confluentinc/cp-kafka:9.9.9 not found: manifest unknown", False),
        ('Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host', True),
    ],
)
def test_with_an_image_that_cannot_be_pulled(refused, stand_in, reason, network):
    said = f"Error response from daemon: {reason}"
    stand_in(f"""[ "$1" = image ] && exit 1; [ "$1" = pull ] && echo '{said}' >&2 && exit 1""")
    found = {"image": "localhost:1/no-such-image:1", "network": network, "reason": reason}
    assert refused() == (DockerError, found)


def test_a_docker_that_hangs_is_given_up(stand_in):
    program = stand_in('[ "$1" = wait ] && { sleep 600 & echo $! >"$0.pid"; wait; }')
    with pytest.raises(DockerError) as given_up:
        docker("wait", seconds=1)
    assert given_up.value.data == {"seconds": 1}
    started = int(program.with_name("docker.pid").read_text())
    wait_until(lambda: gone(started), seconds=5)


# What the compose file does not fit


def test_an_address_that_the_containers_do_not_have(refused, settings):
    for address in ("localhost:9", f"kafka.invalid:{settings.port}"):
        found = {"option": "STREAM_BOOTSTRAP_SERVERS", "value": address}
        assert refused(STREAM_BOOTSTRAP_SERVERS=address) == (SettingError, found)


@pytest.mark.parametrize("text", [None, "services: [", "[]", "services: 1", "name: x"])
def test_a_compose_file_that_cannot_be_read(refused, tmp_path, text):
    file = tmp_path / "another.yml"
    if text is not None:
        file.write_text(text)
    assert refused(STREAM_COMPOSE_FILE=str(file)) == (SettingError, {"option": "STREAM_COMPOSE_FILE", "value": file})


@pytest.mark.parametrize("container", ["", "other-kafka"])
def test_with_a_port_that_is_taken(refused, stand_in, settings, container):
    program = stand_in(f'[ "$1" = ps ] && echo {container}; [ "$4" = up ] && touch "$0.up"')
    with socket.create_server(("127.0.0.1", settings.port)):
        owner = f"the container {container}" if container else f"{psutil.Process().name()} (process {os.getpid()})"
        assert refused() == (BrokerError, {"port": settings.port, "owner": owner})
    assert not program.with_name("docker.up").exists(), "nothing was started"


# What happens while the containers start


@pytest.mark.parametrize(
    "said, error, data",
    [
        (
            "Error response from daemon: driver failed programming external connectivity on endpoint kafka (1f): "
            "Bind for 127.0.0.1:9092 failed: port is already allocated",
            BrokerError,
            {"port": 9092},
        ),
        (
            "Error response from daemon: Ports are not available: exposing port TCP 127.0.0.1:2181 -> 127.0.0.1:0: "
            "listen tcp 127.0.0.1:2181: bind: An attempt was made to access a socket in a way forbidden by its access "
            "permissions.",
            BrokerError,
            {"port": 2181},
        ),
        (
            "Error response from daemon: failed to set up container networking: driver failed programming external "
            "connectivity: failed to bind host port for 127.0.0.1:9092:172.18.0.3:9092/tcp: listen tcp4 "
            "127.0.0.1:9092: bind: address already in use",
            BrokerError,
            {"port": 9092},
        ),
        (
            'Error response from daemon: Conflict. The container name "/kafka" is already in use by container "5e0". '
            "You have to remove (or rename) that container to be able to reuse that name.",
            DockerError,
            {"container": "kafka"},
        ),
        ("no space left on device", DockerError, {"reason": "no space left on device"}),
    ],
)
def test_what_docker_refuses_becomes_an_error(refused, stand_in, said, error, data):
    stand_in(f"""[ "$4" = up ] && {{ echo ' Container zookeeper  Starting\n{said}' >&2; exit 1; }}""")
    found, its = refused()
    assert found is error and data.items() <= its.items()


def test_a_start_that_fails_leaves_nothing(refused, stand_in, settings, monkeypatch):
    """The kafka container was killed for want of memory; what there was of the stack is removed, its log kept."""
    monkeypatch.setattr(compose, "wait_until", lambda over, *_, **__: over() or pytest.fail("it waits for an end"))
    program = stand_in(life(inspect(KILLED)))
    assert refused() == (BrokerError, {"containers": [KILLED], "killed": True})
    assert program.with_name("docker.down").read_text().split()[-1] == "down", "and not its data"
    assert "OutOfMemoryError" in (settings.build_dir / "broker" / "docker.log").read_text()
    assert State(settings).read() is None


def test_a_broker_that_is_restarted_again_and_again_is_given_up_with_the_reason(refused, stand_in, quick_looks):
    """Each look finds one restart more; only the look in between two runs sees how the last one ended."""
    running = inspect(Container("kafka", "running", 0, "starting", "$n"))
    between = inspect(Container("kafka", "restarting", 137, "", "$n"))
    looks = f"""
[ "$1" = inspect ] && {{
  n=$(($(cat "$0.looks" 2>/dev/null) + 1)); echo $n >"$0.looks"
  [ $n = 3 ] && {{ {between}; }} || {{ {running}; }}
}}"""
    stand_in(life(looks))
    looks_before_and_after = 2
    seen = compose.RESTARTS + 1 + looks_before_and_after
    assert refused() == (
        BrokerError,
        {"containers": [Container("kafka", "running", 0, "starting", seen)], "killed": True},
    )


def test_a_broker_that_once_crashed_is_waited_for(stand_in, settings, quick_looks):
    """How often it was restarted before we came says nothing: ZooKeeper refuses a crashed broker for a while."""
    container = Container("kafka", "running", 0, "", compose.RESTARTS + 1)
    stand_in(f"""[ "$1" = compose ] && echo 1f2e; {inspect(container)}""")
    asked = count()
    Stack(settings.compose_file).wait_for_broker(SimpleNamespace(answers=lambda: next(asked) >= 3), seconds=30)
    assert next(asked) == 5, "as soon as it answers; it is asked once more at the end"
    with pytest.raises(BrokerError) as late:
        Stack(settings.compose_file).wait_for_broker(SimpleNamespace(answers=lambda: False), seconds=0.1)
    assert late.value.data == {"containers": [container], "killed": False}


# What was started


def test_what_is_started_is_remembered_attached_to_and_ended(run_main, stand_in, stack, settings, monkeypatch):
    """No container answers here: what the broker would answer is replaced."""
    healthy = Container("kafka", "running", 0, "healthy", 0)
    program = stand_in(life(inspect(healthy)))
    down, ready = program.with_name("docker.down"), program.with_name("docker.ready")
    monkeypatch.setattr(Cluster, "answers", lambda _: ready.exists())
    monkeypatch.setattr(Cluster, "names", lambda _: [])
    monkeypatch.setattr(Cluster, "partitions", lambda _: [])

    address = settings.bootstrap_servers
    first = infra.up(settings)
    assert (first.mode, first.started, first.pid, first.bootstrap_servers) == ("docker", True, None, address)
    assert State(settings).read() == Started(None, address, str(settings.compose_file))
    again = infra.up(settings)
    assert (again.mode, again.started, again.bootstrap_servers) == ("docker", False, address)
    ready.unlink()
    assert not infra.up(settings).started and ready.exists(), "the containers existed, and were started again"
    status = run_main("infra", "status", environment=stack)
    assert status.returncode == 0 and f"{first.mode}, containers" in status.stdout and str(healthy) in status.stdout

    assert run_main("infra", "down", "--volumes", environment=stack | {"STREAM_MODE": "embedded"}).returncode == 0
    assert down.read_text().split()[-2:] == ["down", "--volumes"], "by its own mode, whichever is set now"
    assert State(settings).read() is None

    down.unlink(), ready.touch()
    again = run_main("infra", "down", "--volumes", environment=stack)
    assert again.returncode == 0 and "compose.yml down" in again.stdout
    assert not down.exists(), "a stack that others started is not touched"
    assert infra.up(settings).mode == "external"


def test_what_was_started_while_docker_no_longer_answers(run_main, stack, settings, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    settings.folder("broker")
    started = Started(None, settings.bootstrap_servers, str(settings.compose_file))
    State(settings).write(started)
    for options in ([], ["--volumes"]):
        down = run_main("infra", "down", *options, environment=stack)
        assert down.returncode == 1 and type(down.error) is DockerError
    assert State(settings).read() == started, "the containers may still exist"
    monkeypatch.setattr(Cluster, "answers", lambda _: True)
    assert infra.up(settings).mode == "external", "what answers cannot be the containers"
