"""What the Compose file of the cluster promises, read without an engine. (Running it needs Docker and the images.)"""

import re
import shlex
import subprocess

import pytest

from lib.consumer.__main__ import parse_options
from lib.infra.compose import Stack
from lib.infra.embedded import common_properties
from lib.settings import KAFKA_VERSION, ROOT, Settings
from tests.unit.test_compose import compose, megabytes, services

FILE = ROOT / "docker" / "docker-compose.cluster.yml"
BROKERS = ("kafka-1", "kafka-2", "kafka-3")
SPARK = ("spark-master", "spark-worker-1", "spark-worker-2", "consumer")
ONCE = {"topic"}  # it ends as soon as it has created the topic


def properties(name: str) -> dict[str, str]:
    """A node's configuration under Kafka's own names."""
    environment = services(FILE)[name]["environment"].items()
    return {key.removeprefix("KAFKA_").lower().replace("_", "."): str(value) for key, value in environment}


def test_compose_itself_accepts_the_file():
    if not compose():
        pytest.skip("no Docker client with the plugin `docker compose` is installed")
    run = subprocess.run(["docker", "compose", "-f", str(FILE), "config", "-q"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_it_has_three_brokers_a_controller_a_spark_cluster_and_a_database():
    found = services(FILE)
    assert set(found) == {"controller", *BROKERS, *SPARK, "postgres"} | ONCE
    assert {found[name]["image"] for name in ("controller", *BROKERS)} == {f"apache/kafka:{KAFKA_VERSION}"}
    assert {found[name]["image"] for name in (*SPARK, *ONCE)} == {"arqesp-spark"}
    assert Stack(FILE).memory_mb == sum(megabytes(service["mem_limit"]) for service in found.values()) <= 10_240


def test_the_brokers_are_set_up_like_the_embedded_ones():
    own = {"controller.listener.names", "log.dirs"}
    expected = {key: str(value) for key, value in common_properties(Settings(brokers=3)).items() if key not in own}
    for name in ("controller", *BROKERS):
        found = properties(name)
        assert {key: found.get(key) for key in expected} == expected
        assert found["controller.quorum.voters"] == "100@controller:9093"
    assert (properties("controller")["node.id"], properties("controller")["process.roles"]) == ("100", "controller")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_broker_is_reached_from_this_computer_and_from_the_network(number):
    name, found = f"kafka-{number}", properties(f"kafka-{number}")
    assert (found["node.id"], found["process.roles"]) == (str(number), "broker")
    port = Settings().port + number - 1
    assert services(FILE)[name]["ports"] == [f"127.0.0.1:{port}:9092"]
    assert found["advertised.listeners"] == f"HOST://localhost:{port},NETWORK://{name}:19092"
    assert services(FILE)[name]["volumes"][0] == f"{name}-data:/var/lib/kafka/data"


def test_ports_are_published_on_this_computer_only():
    published = [port for service in services(FILE).values() for port in service.get("ports", [])]
    assert len(published) == len(Stack(FILE).ports) == 5 and all(port.startswith("127.0.0.1:") for port in published)


def test_each_service_that_stays_is_checked_and_waited_for():
    found = services(FILE)
    assert {name for name, service in found.items() if "healthcheck" not in service} == ONCE
    for name, service in found.items():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how == {"condition": expected}, f"{name} waits for {other}"
    assert set(found["topic"]["depends_on"]) == set(BROKERS)
    assert set(found["consumer"]["depends_on"]) == {"topic", "postgres", "spark-worker-1", "spark-worker-2"}


def test_the_consumer_is_the_course_s_command_and_shares_its_checkpoint_with_the_workers():
    consumer = services(FILE)["consumer"]
    words = shlex.split(consumer["command"])
    assert words[:3] == ["python", "-m", "lib.consumer"]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    store = given.pop("--store", "")
    database = services(FILE)["postgres"]["environment"]
    user, password = database["POSTGRES_USER"], database["POSTGRES_PASSWORD"]
    assert store == f"postgresql+psycopg://{user}:{password}@postgres/{database['POSTGRES_DB']}"
    options = parse_options([word for pair in given.items() for word in pair], Settings())
    assert options.master == "spark://spark-master:7077" and str(options.output).startswith("/shared/")
    for name in ("consumer", "spark-worker-1", "spark-worker-2"):
        assert services(FILE)[name]["volumes"] == ["checkpoint:/shared"]
    told = Settings.from_environment(consumer["environment"])
    assert told.driver_host == "consumer"
    assert told.bootstrap_servers == ",".join(f"{name}:19092" for name in BROKERS)


def test_a_worker_has_the_memory_of_an_executor():
    worker = services(FILE)["spark-worker-1"]
    assert f"--memory {Settings().executor_memory_mb}m " in worker["command"]
    assert services(FILE)["spark-worker-2"] == worker


def test_the_image_has_the_locked_packages_and_what_it_copies_is_sent():
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes -r requirements.lock" in text
    copied = {word for line in re.findall(r"^COPY (.+)", text, re.MULTILINE) for word in line.split()[:-1]}
    ignored = (ROOT / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert copied == set(re.findall(r"^!(.+)", ignored, re.MULTILINE))
    assert all((ROOT / name).exists() for name in copied)
