"""Both Compose files through their whole life, in real containers, beside a stack that the user may have up.

What needs no engine is in tests/unit/test_docker_stack.py.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lib.errors import DockerError
from lib.infra.compose import Stack
from lib.settings import ROOT
from lib.topics import Cluster
from lib.wait import wait_until
from tests.conftest import free_port

pytestmark = pytest.mark.docker


def docker(*arguments) -> str:
    run = subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(params=["docker-compose.yml", "docker-compose.kraft.yml"])
def stack(request, tmp_path):
    """A compose file with its own names and ports, also inside, and the environment in which lib.infra uses it."""
    original = ROOT / "docker" / request.param
    for image in Stack(original).images:
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode:
            pytest.skip(f"the image {image} is not here: docker pull {image}")
    port, text = free_port(), original.read_text(encoding="utf-8")
    text = re.sub(r"\b9092\b", str(port), text)
    text = re.sub(r"\b2181\b", str(free_port()), text)
    text = re.sub(r"^(name|    container_name): (\S+)", r"\1: \2-tests", text, flags=re.MULTILINE)
    (tmp_path / "compose.yml").write_text(text, encoding="utf-8")
    mine = {
        "STREAM_MODE": "docker",
        "STREAM_COMPOSE_FILE": str(tmp_path / "compose.yml"),
        "STREAM_BUILD_DIR": str(tmp_path / "build"),
        "STREAM_BOOTSTRAP_SERVERS": f"localhost:{port}",
        "STREAM_READY_SECONDS": "240",
    }
    yield mine
    subprocess.run(["docker", "compose", "-f", tmp_path / "compose.yml", "down", "-v"], capture_output=True)


def test_an_image_whose_registry_cannot_be_reached(run_main, tmp_path):
    file, image = tmp_path / "compose.yml", "localhost:1/no-such-image:1"
    file.write_text(f'services: {{kafka: {{image: "{image}", ports: ["127.0.0.1:{free_port()}:9092"]}}}}')
    settings = {
        "STREAM_MODE": "docker",
        "STREAM_COMPOSE_FILE": file,
        "STREAM_BUILD_DIR": tmp_path / "build",
        "STREAM_BOOTSTRAP_SERVERS": f"localhost:{Stack(file).ports[0]}",
    }
    run = run_main("infra", "up", environment=settings)
    assert run.returncode == 1 and type(run.error) is DockerError
    assert run.error.data["image"] == image and run.error.data["network"]


def test_up_ready_use_crash_stop_start_down_up_and_gone(stack, run_main, run_module):
    def run(module, *arguments):
        done = run_main(module, *arguments, environment=stack)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def compose(*arguments):
        return docker("compose", "-f", stack["STREAM_COMPOSE_FILE"], *arguments)

    address = stack["STREAM_BOOTSTRAP_SERVERS"]

    def kept() -> set[str]:
        with Cluster(address) as cluster:
            return {json.loads(record.value)["id"] for record in cluster.read("cycle")}

    assert "started" in run("infra", "up")
    by_hand = ["--create", "--bootstrap-server", address, "--replication-factor", 1, "--partitions", 1]
    docker("exec", "kafka-tests", "kafka-topics", *by_hand, "--topic", "cycle")
    tester = [sys.executable, Path(ROOT, "tests", "tester.py")]
    told = subprocess.run(tester, env=os.environ | stack, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0 and told.stdout.endswith("¡TODO FUNCIONA!\n"), told.stderr

    assert json.loads(run("producer", "--topic", "cycle", "--count", 500, "--rate", 0).splitlines()[-1])["acked"] == 500
    counting = run_module("consumer", "--topic", "cycle", "--available-now", environment=stack, timeout=600)
    assert json.loads(counting.stdout.splitlines()[-1])["counted"] == 500, counting.stderr
    sent = kept()
    assert len(sent) == 500
    group = ["--group", "cycle", "--from-beginning", "--max-messages", 1, "--timeout-ms", 60_000]
    told = docker("exec", "kafka-tests", "kafka-console-consumer", *by_hand[1:3], "--topic", "cycle", *group)
    assert '"id"' in told, "one copy of Kafka's own topics is enough for a consumer group"

    # `docker kill` would count as a wish; from within, a signal that Java does not survive is a crash.
    subprocess.run(["docker", "exec", "kafka-tests", "sh", "-c", "kill -SEGV 1"], capture_output=True)
    wait_until(lambda: int(docker("inspect", "--format", "{{.RestartCount}}", "kafka-tests")), seconds=60)
    run("infra", "up")
    assert kept() == sent, "it comes back by itself after a crash, and its data too"

    compose("stop")
    compose("start")
    run("infra", "up")  # waits until it is ready again
    assert kept() == sent, "stop and start keep the data"
    assert "stopped and removed" in run("infra", "down")
    run("infra", "up")
    assert kept() == sent, "down and up keep the data"

    assert "its data is removed" in run("infra", "down", "--volumes")
    assert not docker("ps", "--all", "--quiet", "--filter", "name=-tests").strip()
    assert not docker("volume", "ls", "--quiet", "--filter", "name=-tests_").strip()
    run("infra", "up")
    assert "cycle" not in run("topics", "list").split()
    run("infra", "down", "--volumes")
