"""What docker/docker-compose.cluster.yml promises, read without an engine. (Running it needs Docker and the images.)"""

import re
import subprocess

import pyspark
import pytest
import yaml

from lib.consumer.__main__ import parse_options
from lib.infra.compose import Stack
from lib.infra.embedded import server_properties
from lib.settings import KAFKA_VERSION, ROOT, Settings
from tests.unit.test_compose import MEGABYTES, compose, megabytes, services

CLUSTER = ROOT / "docker" / "docker-compose.cluster.yml"
TEXT, FILE = CLUSTER.read_text(encoding="utf-8"), yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))
SERVICES = services(CLUSTER)
BROKERS = {name: SERVICES[name] for name in ("kafka-1", "kafka-2", "kafka-3")}
TASK = "topic"  # the only service that ends by itself
INSIDE = "kafka-1:19092,kafka-2:19092,kafka-3:19092"
DEFAULTS = Settings()


def properties(service: dict) -> dict[str, str]:
    """A node's configuration under Kafka's own names: KAFKA_LOG_DIRS becomes log.dirs."""
    environment = service["environment"].items()
    return {name.removeprefix("KAFKA_").lower().replace("_", "."): str(value) for name, value in environment}


def listeners(text: str) -> dict[str, str]:
    return dict(listener.split("://") for listener in text.split(","))


def words(command: str | list[str]) -> list[str]:
    return command.split() if isinstance(command, str) else command


def test_compose_itself_accepts_the_file(monkeypatch):
    if not compose():
        pytest.skip("no Docker client with the plugin `docker compose` is installed")
    command = ["docker", "compose", "-f", str(CLUSTER), "config", "-q"]
    monkeypatch.setenv("POSTGRES_PASSWORD", "a generated one")
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    monkeypatch.setenv("POSTGRES_PASSWORD", "")
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode and "POSTGRES_PASSWORD" in run.stderr, "no password, no server"


def test_the_versions_are_those_that_the_tests_run():
    kafka = {service["image"] for name, service in SERVICES.items() if name in {*BROKERS, "controller", TASK}}
    assert kafka == {f"apache/kafka:{KAFKA_VERSION}"}
    spark = {SERVICES[name]["image"] for name in ("spark-master", "spark-worker")}
    assert spark == {f"apache/spark:{pyspark.__version__}-scala2.13-java17-ubuntu"}
    assert not [image for image in Stack(CLUSTER).images if image.endswith(":latest")]


def test_it_is_a_project_of_its_own_with_all_data_in_named_volumes():
    assert FILE["name"] == "arqesp-cluster"
    mounts = [(name, mount) for name, service in SERVICES.items() for mount in service.get("volumes", [])]
    named = [(name, *mount.split(":")) for name, mount in mounts if isinstance(mount, str) and mount[0] != "."]
    assert {volume for _, volume, _ in named} == set(FILE["volumes"])
    data = [(name, volume, folder) for name, volume, folder in named if volume != "checkpoint"]
    kafka = {(name, f"{name}-data", "/var/lib/kafka/data") for name in ("controller", *BROKERS)}
    assert set(data) == kafka | {("postgres", "postgres-data", "/var/lib/postgresql/data")}
    for name in ("controller", *BROKERS):
        assert properties(SERVICES[name])["log.dirs"] == "/var/lib/kafka/data"
    for name in ("controller", TASK, *BROKERS):
        in_memory = {mount["target"] for mount in SERVICES[name]["volumes"] if isinstance(mount, dict)}
        assert in_memory == {"/etc/kafka/secrets", "/mnt/shared/config"}


def test_ports_are_published_on_this_computer_only():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    ports = dict(zip(BROKERS, (9092, 9093, 9094), strict=True))
    ports |= {"spark-master": 8080, "postgres": 5432, "consumer": 4040}
    assert published == {name: [f"127.0.0.1:{port}:{port}"] for name, port in ports.items()}
    assert Stack(CLUSTER).ports == list(ports.values())


@pytest.mark.parametrize("name", BROKERS)
def test_each_broker_advertises_an_address_of_its_own_to_the_host_and_to_the_network(name):
    found = properties(BROKERS[name])
    port = DEFAULTS.port + int(found["node.id"]) - 1
    assert (name, BROKERS[name]["hostname"]) == (f"kafka-{found['node.id']}", name)
    assert listeners(found["listeners"]) == {"HOST": f":{port}", "NETWORK": ":19092"}
    assert listeners(found["advertised.listeners"]) == {"HOST": f"localhost:{port}", "NETWORK": f"{name}:19092"}
    assert found["inter.broker.listener.name"] == "NETWORK"
    protocols = dict(pair.split(":") for pair in found["listener.security.protocol.map"].split(","))
    assert protocols == dict.fromkeys(["HOST", "NETWORK", "CONTROLLER"], "PLAINTEXT")


def test_one_controller_that_is_no_broker_serves_them_all():
    controller = properties(SERVICES["controller"])
    assert (controller["process.roles"], listeners(controller["listeners"])) == ("controller", {"CONTROLLER": ":9093"})
    assert "advertised.listeners" not in controller, "the image refuses it"
    assert controller["controller.quorum.voters"] == f"{controller['node.id']}@controller:9093"
    for found in map(properties, BROKERS.values()):
        assert found["process.roles"] == "broker"
        for key in ("controller.quorum.voters", "controller.listener.names", "cluster.id"):
            assert found[key] == controller[key]


def test_the_controller_has_the_defaults_of_a_new_topic_since_it_creates_it():
    for key in ("default.replication.factor", "min.insync.replicas", "num.partitions"):
        [value] = {properties(SERVICES[name]).get(key) for name in ("controller", *BROKERS)}
        assert value, key


def test_the_brokers_are_set_up_like_the_embedded_one_but_replicate():
    embedded = dict(line.split("=", 1) for line in server_properties(DEFAULTS, 1).splitlines())
    own = re.compile(r"listener|controller|log\.dirs|node\.id|process\.roles|replication\.factor|min\.isr")
    expected = {key: value for key, value in embedded.items() if not own.search(key)}
    assert expected, "nothing would be compared"
    for found in map(properties, BROKERS.values()):
        assert {key: found.get(key) for key in expected} == expected
        replicas = {key: value for key, value in found.items() if key.endswith("replication.factor")}
        in_sync = {key: value for key, value in found.items() if key.endswith(("min.isr", "insync.replicas"))}
        assert (len(replicas), set(replicas.values())) == (4, {str(len(BROKERS))})
        assert (len(in_sync), set(in_sync.values())) == (3, {"2"})


def test_the_topic_survives_the_loss_of_a_broker():
    task = SERVICES[TASK]
    told = words(task["entrypoint"]) + words(task["command"])
    assert {"--create", "--if-not-exists"} < set(told)
    option = {name: told[told.index(name) + 1] for name in told if name.startswith("--")}
    assert (option["--topic"], option["--bootstrap-server"]) == (DEFAULTS.topic, INSIDE)
    assert option["--replication-factor"] == "3" and int(option["--partitions"]) % len(BROKERS) == 0
    assert {"min.insync.replicas=2", "message.timestamp.type=LogAppendTime"} < set(told)


def test_every_service_has_a_health_check_and_waits_for_those_that_it_needs():
    assert [name for name, service in SERVICES.items() if "healthcheck" not in service] == [TASK]
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            condition = "service_completed_successfully" if needed == TASK else "service_healthy"
            assert how == {"condition": condition}, (name, needed)
    needs = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    assert needs == {
        "controller": set(), "spark-master": set(), "postgres": set(), "spark-worker": {"spark-master"},
        **{name: {"controller"} for name in BROKERS}, TASK: set(BROKERS),
        "consumer": {TASK, "spark-worker", "postgres"},
    }  # fmt: skip
    for service in BROKERS.values():
        assert "--bootstrap-server $$HOSTNAME:19092" in service["healthcheck"]["test"], "its own line, not another's"


def test_the_consumer_starts_with_the_options_that_it_has():
    consumer = SERVICES["consumer"]
    submit, *told = words(consumer["command"])
    script = told.index("/app/lib/consumer/__main__.py")
    assert (submit, f"--master={SERVICES['spark-worker']['command'].split()[-1]}") == ("spark-submit", told[0])
    environment = {name: str(value) for name, value in consumer["environment"].items()}
    settings = Settings.from_environment(environment)
    options = parse_options(told[script + 1 :], settings)
    assert options.topic == DEFAULTS.topic and options.bootstrap_servers == INSIDE
    replicas, cores = SERVICES["spark-worker"]["deploy"]["replicas"], "--cores 2"
    assert cores in SERVICES["spark-worker"]["command"] and settings.shuffle_partitions == 2 * replicas
    assert set(environment) - {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "MALLOC_ARENA_MAX", "PGPASSWORD"} <= {
        f"STREAM_{name.upper()}" for name in vars(DEFAULTS)
    }


def test_driver_and_executors_share_the_checkpoint_as_the_same_user():
    mounts = [set(SERVICES[name]["volumes"]) for name in ("spark-worker", "consumer")]
    [store] = set.intersection(*mounts)
    assert store == f"checkpoint:{SERVICES['consumer']['environment']['STREAM_BUILD_DIR']}"
    recipe = SERVICES["consumer"]["build"]["dockerfile_inline"]
    assert "useradd --uid 185 --gid 185" in recipe, "the user of Spark's image"
    folder = store.split(":")[1]
    assert f"--owner spark --group spark {folder}" in recipe and f"WORKDIR {folder}" in recipe, "it may write there"


def test_the_consumer_is_built_from_what_the_tests_ran_and_cannot_change_it():
    build = SERVICES["consumer"]["build"]
    assert (CLUSTER.parent / build["context"]).resolve() == ROOT
    for copied in re.findall(r"^COPY (\S+)", build["dockerfile_inline"], re.MULTILINE):
        assert (ROOT / copied).exists()
    assert "--require-hashes" in build["dockerfile_inline"] and "$" not in build["dockerfile_inline"]
    assert "../lib:/app/lib:ro" in SERVICES["consumer"]["volumes"]


def test_no_password_is_in_the_file_or_in_git():
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
    assert SERVICES["consumer"]["environment"]["PGPASSWORD"] == "${POSTGRES_PASSWORD}"
    assert not re.search(r"://\w+:\S+@", TEXT), "no URL with a password"
    assert "/docker/.env" in (ROOT / ".gitignore").read_text().split()


def test_memory_is_limited_and_the_heaps_are_below():
    limits = {name: megabytes(service["mem_limit"]) for name, service in SERVICES.items()}
    for name in ("controller", *BROKERS, TASK):
        heap = SERVICES[name]["environment"]["KAFKA_HEAP_OPTS"].split("-Xmx")[1]
        assert megabytes(heap) <= limits[name] // 2, "Java needs more than its heap"
    told = words(SERVICES["consumer"]["command"])
    heaps = {word.split("=")[0]: megabytes(word.split("=")[1]) for word in told if "memory=" in word}
    daemon = megabytes(SERVICES["spark-worker"]["environment"]["SPARK_DAEMON_MEMORY"])
    assert heaps["--driver-memory"] <= limits["consumer"] // 2
    assert heaps["--executor-memory"] + daemon <= limits["spark-worker"] // 2
    assert f"--memory {heaps['--executor-memory']}m" in SERVICES["spark-worker"]["command"]
    total = sum(limits.values()) + limits["spark-worker"] * (SERVICES["spark-worker"]["deploy"]["replicas"] - 1)
    assert f"All containers together may use {total / MEGABYTES['g']:g} GB" in TEXT


def test_what_crashes_is_started_again():
    restarts = {name: service["restart"] for name, service in SERVICES.items()}
    assert restarts == dict.fromkeys(SERVICES, "unless-stopped") | {TASK: "on-failure", "consumer": "on-failure:5"}


def test_the_file_says_that_it_was_not_run():
    assert "NOT YET RUN" in TEXT and "tests/unit/test_compose_cluster.py" in TEXT
