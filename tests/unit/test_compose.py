"""What the Compose files promise, read without an engine. (Running them needs Docker and the images.)"""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lib.infra.compose import Stack
from lib.infra.embedded import server_properties
from lib.settings import KAFKA_VERSION, ROOT, Settings

CLASSIC, KRAFT = (ROOT / "docker" / name for name in ("docker-compose.yml", "docker-compose.kraft.yml"))
BOTH = pytest.mark.parametrize("path", [CLASSIC, KRAFT], ids=["classic", "kraft"])
DEFAULTS = Settings()
MEGABYTES = {"m": 1, "g": 1024}


def services(path: Path) -> dict[str, dict]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["services"]


def megabytes(text: str) -> int:
    return int(text[:-1]) * MEGABYTES[text[-1]]


def kafka_properties(path: Path) -> dict[str, str]:
    """The broker's configuration under Kafka's own names: KAFKA_LOG_DIRS becomes log.dirs."""
    environment = services(path)["kafka"]["environment"].items()
    return {name.removeprefix("KAFKA_").lower().replace("_", "."): str(value) for name, value in environment}


def compose() -> bool:
    """Whether there is a Docker client with Compose here; it needs no engine to check a file."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0


@BOTH
def test_compose_itself_accepts_the_file(path):
    if not compose():
        pytest.skip("no Docker client with the plugin `docker compose` is installed")
    run = subprocess.run(["docker", "compose", "-f", str(path), "config", "-q"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_classic_pair_is_the_one_of_the_report():
    images = {name: (service["image"], service["container_name"]) for name, service in services(CLASSIC).items()}
    assert images == {
        "zookeeper": ("confluentinc/cp-zookeeper:7.4.4", "zookeeper"),
        "kafka": ("confluentinc/cp-kafka:7.4.4", "kafka"),
    }
    told = services(CLASSIC)["kafka"]["environment"]
    assert told["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{DEFAULTS.bootstrap_servers}"
    assert told["KAFKA_ZOOKEEPER_CONNECT"] == "zookeeper:2181"
    assert services(CLASSIC)["zookeeper"]["environment"]["ZOOKEEPER_CLIENT_PORT"] == 2181


def test_kraft_is_the_embedded_brokers_version_without_zookeeper():
    (name, service), *others = services(KRAFT).items()
    assert (name, service["container_name"], others) == ("kafka", "kafka", [])
    assert service["image"] == f"apache/kafka:{KAFKA_VERSION}"


@BOTH
def test_what_infra_reads_in_the_file(path):
    stack, found = Stack(path), services(path).values()
    assert stack.images == [service["image"] for service in found]
    assert stack.ports == ([2181, DEFAULTS.port] if path == CLASSIC else [DEFAULTS.port])
    assert stack.memory_mb == sum(megabytes(service["mem_limit"]) for service in found)
    assert stack.typed("down") == f"docker compose -f {path.relative_to(ROOT).as_posix()} down"


@BOTH
def test_ports_are_published_on_this_computer_only(path):
    published = {name: service["ports"] for name, service in services(path).items()}
    assert published.pop("zookeeper", ["127.0.0.1:2181:2181"]) == ["127.0.0.1:2181:2181"]
    assert published == {"kafka": [f"127.0.0.1:{DEFAULTS.port}:{DEFAULTS.port}"]}


def test_the_host_and_the_network_have_a_listener_each():
    properties = kafka_properties(KRAFT)
    listens = dict(door.split("://") for door in properties["listeners"].split(","))
    told = dict(door.split("://") for door in properties["advertised.listeners"].split(","))
    assert listens == {"HOST": f":{DEFAULTS.port}", "NETWORK": ":19092", "CONTROLLER": ":9093"}
    assert told == {"HOST": DEFAULTS.bootstrap_servers, "NETWORK": "kafka:19092"}
    assert {door.split(":")[0] for door in properties["listener.security.protocol.map"].split(",")} == set(listens)
    assert properties["inter.broker.listener.name"] in told
    assert properties["controller.listener.names"] == "CONTROLLER"
    assert properties["controller.quorum.voters"] == f"{properties['node.id']}@localhost{listens['CONTROLLER']}"


@BOTH
def test_the_broker_is_set_up_like_the_embedded_one(path):
    embedded = dict(line.split("=", 1) for line in server_properties(DEFAULTS, 1).splitlines())
    own = {"listeners", "advertised.listeners", "controller.quorum.voters", "controller.listener.names", "log.dirs"}
    new = ("share.", "process.", "node.", "group.consumer.")  # what Kafka 3.4 does not know
    newer = {key for key in embedded if key.startswith(new)}
    expected = {key: value for key, value in embedded.items() if key not in own and (path == KRAFT or key not in newer)}
    found = kafka_properties(path)
    assert {key: found.get(key) for key in expected} == expected


@BOTH
def test_healthy_means_that_it_answers(path):
    for name, service in services(path).items():
        command = service["healthcheck"]["test"]  # a string is run by the container's shell
        asks = {"zookeeper": "srvr", "kafka": f"kafka-broker-api-versions --bootstrap-server localhost:{DEFAULTS.port}"}
        assert asks[name] in command
        assert {"interval", "timeout", "retries"} <= set(service["healthcheck"])


def test_kafka_waits_until_zookeeper_is_healthy():
    assert services(CLASSIC)["kafka"]["depends_on"] == {"zookeeper": {"condition": "service_healthy"}}


@BOTH
def test_all_data_is_in_named_volumes_and_nothing_in_nameless_ones(path):
    mounts = [mount for service in services(path).values() for mount in service["volumes"]]
    named = dict(mount.split(":") for mount in mounts if isinstance(mount, str))
    assert set(named) == set(yaml.safe_load(path.read_text(encoding="utf-8"))["volumes"])
    data = {"kafka-data": "/var/lib/kafka/data"}
    if path == CLASSIC:
        data |= {"zookeeper-data": "/var/lib/zookeeper/data", "zookeeper-log": "/var/lib/zookeeper/log"}
    else:
        assert kafka_properties(path)["log.dirs"] == data["kafka-data"]
    assert named == data
    # What else the images declare as a volume would become a nameless one with every `up`.
    in_memory = {mount["target"] for mount in mounts if isinstance(mount, dict) and mount["type"] == "tmpfs"}
    declared = {CLASSIC: {"/etc/zookeeper/secrets", "/etc/kafka/secrets"}}
    assert in_memory == declared.get(path, {"/etc/kafka/secrets", "/mnt/shared/config"})


def test_the_two_stacks_do_not_share_a_project_and_so_no_volume():
    names = {yaml.safe_load(path.read_text(encoding="utf-8"))["name"] for path in (CLASSIC, KRAFT)}
    assert names == {"arqesp", "arqesp-kraft"}


@BOTH
def test_memory_is_limited_and_the_heap_is_well_below(path):
    limits = {name: megabytes(service["mem_limit"]) for name, service in services(path).items()}
    assert sum(limits.values()) <= 2048, "a laptop of 8 GB also has Spark, Jupyter and a browser to run"
    for name, service in services(path).items():
        heap = service["environment"]["KAFKA_HEAP_OPTS"].split("-Xmx")[1]
        assert megabytes(heap) <= limits[name] // 2, "Java needs more than its heap"


@BOTH
def test_it_comes_back_by_itself_and_may_close_its_files(path):
    assert {service["restart"] for service in services(path).values()} == {"unless-stopped"}
    assert services(path)["kafka"]["stop_grace_period"] == "30s"


def test_the_classic_commands_are_there_in_the_kraft_container_too():
    service = services(KRAFT)["kafka"]
    script = yaml.safe_load(KRAFT.read_text(encoding="utf-8"))["configs"]["tool"]["content"].replace("$$", "$")
    assert script.startswith("#!/bin/sh\n")
    targets = [config["target"] for config in service["configs"]]
    assert "/usr/local/bin/kafka-topics" in targets and "/usr/local/bin/kafka-console-consumer" in targets
    assert {(config["source"], config["mode"]) for config in service["configs"]} == {("tool", 0o755)}


@pytest.mark.skipif(shutil.which("sh") is None, reason="no sh on this machine")
def test_the_script_calls_the_tool_under_its_own_name(tmp_path):
    script = yaml.safe_load(KRAFT.read_text(encoding="utf-8"))["configs"]["tool"]["content"].replace("$$", "$")
    real, ours = tmp_path / "kafka-topics.sh", tmp_path / "kafka-topics"
    real.write_text('#!/bin/sh\nprintf "%s|" "$0" "$@"\n')
    ours.write_text(script.replace("/opt/kafka/bin", str(tmp_path)))
    real.chmod(0o755), ours.chmod(0o755)
    run = subprocess.run([ours, "--topic", "two words"], capture_output=True, text=True)
    assert run.stdout == f"{real}|--topic|two words|"
