"""The doctor tells a healthy machine from each of the broken ones, as a process of its own on a machine made so."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lib import doctor, embedded_kafka, jars, topics
from lib.deadline import wait_until
from lib.settings import ROOT, Settings, settings
from tests.conftest import free_port

NOWHERE = {"STREAM_BOOTSTRAP_SERVERS": "localhost:1"}


def line(run: subprocess.CompletedProcess, check: str) -> str:
    """What the doctor says of one check, its remedy included, after making sure that it never fails itself."""
    assert run.returncode in (0, 1) and run.stderr == "" and "Traceback" not in run.stdout
    told = re.split(r"\n(?=[✔✘!·] )", run.stdout)
    [found] = [text for text in told if text[2:].startswith(check)]
    return found


def missing(run: subprocess.CompletedProcess, check: str, *words: str) -> None:
    """The check says with these words what is missing and what to do, and the doctor exits with 1."""
    found = line(run, check)
    assert run.returncode == 1 and found.startswith("✘") and "What to do: " in found
    for word in words:
        assert word in found


def test_a_healthy_machine_with_a_broker_is_left_as_it_was(broker, run_module):
    before = topics.names(), sorted(settings.build_dir.rglob("*.json"))
    run = run_module("doctor")
    assert run.returncode == 0 and "✘" not in run.stdout and "\x1b" not in run.stdout
    for check in ("Python", "settings", "packages", "Java", "jars", "memory", "disk", "port", "broker", "round trip"):
        assert line(run, check).startswith("✔")
    assert f"sends clients to {broker.bootstrap_servers}" in line(run, "broker")
    assert (topics.names(), sorted(settings.build_dir.rglob("*.json"))) == before


def test_no_broker_matters_only_where_another_runs_it(run_module):
    run = run_module("doctor", environment=NOWHERE)
    assert run.returncode == 0
    assert line(run, "broker").startswith("· broker") and "make up" in line(run, "broker")
    assert "not tried" in line(run, "round trip") and "1 is free" in line(run, "port")
    missing(run_module("doctor", environment=NOWHERE | {"STREAM_MODE": "external"}), "broker", "none answers at")


def test_another_python(tmp_path):
    code = "import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_module('lib.doctor', run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=ROOT)
    missing(run, "Python", "3.9.2", "3.11 to 3.13 is needed")


def test_without_any_package(run_module):
    command = [sys.executable, "-S", "-m", "lib.doctor"]  # -S: without the folder of installed packages
    run = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, timeout=120)
    missing(run, "packages", "is not installed", "make install")
    missing(run, "round trip", "the package kafka is not installed")
    assert line(run, "disk").startswith("✔"), "what does not need them is looked at"


def test_a_package_of_another_version(run_module, tmp_path):
    other = tmp_path / "kafka_python-2.0.2.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: kafka-python\nVersion: 2.0.2\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    run = run_module("doctor", environment=NOWHERE | {"PYTHONPATH": path})
    missing(run, "packages", "kafka-python is 2.0.2, locked is 3.0.12", "make install")


def test_a_package_that_is_missing(run_module, tmp_path):
    shutil.copytree(ROOT / "lib", tmp_path / "lib")
    lock = (ROOT / "requirements.lock").read_text()
    not_here = "not-for-here==1.0 ; sys_platform == 'nowhere' \\\n"
    (tmp_path / "requirements.lock").write_text(f"no-such-package==1.0 \\\n{not_here}{lock}")
    run = run_module("doctor", environment=NOWHERE | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    missing(run, "packages", "no-such-package is not installed", "make install")
    assert "not-for-here" not in run.stdout


def test_no_java(run_module, tmp_path):
    run = run_module("doctor", environment=NOWHERE | {"PATH": str(tmp_path), "JAVA_HOME": None})
    missing(run, "Java", "none was found in JAVA_HOME or on PATH", "openjdk=17")


def test_another_java(run_module, tmp_path):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    run = run_module("doctor", environment=NOWHERE | {"PATH": str(tmp_path), "JAVA_HOME": None})
    missing(run, "Java", f"Java 8 at {java}", "17, 21, 25 is needed")


@pytest.fixture
def own_jars(tmp_path):
    """A Maven cache of its own with links to the locked jars; environment and folder."""
    cache = Path(os.environ.get("M2_REPO", Path.home() / ".m2" / "repository"))
    for path in [*jars.jars("broker"), *jars.jars("connector")]:
        link = tmp_path / path.relative_to(cache)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(path)
    return NOWHERE | {"M2_REPO": str(tmp_path)}, tmp_path


def test_a_jar_that_is_missing(run_module, own_jars):
    environment, cache = own_jars
    jar = next(cache.rglob("lz4-java*.jar"))
    jar.unlink()
    missing(run_module("doctor", environment=environment), "jars", f"{jar.name} is missing", "python -m lib.jars")
    assert not jar.exists(), "the doctor only looks"


def test_a_jar_with_one_byte_flipped(run_module, own_jars):
    environment, cache = own_jars
    assert line(run_module("doctor", environment=environment), "jars").startswith("✔")
    jar = next(cache.rglob("commons-pool2*.jar"))
    content = bytearray(jar.read_bytes())
    content[len(content) // 2] ^= 1
    jar.unlink()
    jar.write_bytes(content)
    run = run_module("doctor", environment=environment)
    missing(run, "jars", f"{jar.name} is not the one that was locked", "python -m lib.jars")


@pytest.mark.parametrize(
    "check, setting, value, remedy",
    [
        ("memory", "DRIVER_MEMORY", "9999g", "STREAM_DRIVER_MEMORY=512m"),
        ("disk", "RETENTION_MB", "999999999", "make room"),
    ],
)
def test_too_little(run_module, check, setting, value, remedy):
    missing(run_module("doctor", environment=NOWHERE | {f"STREAM_{setting}": value}), check, "may take", remedy)


def test_a_folder_that_cannot_be_used(run_module, tmp_path):
    (tmp_path / "file").write_text("")
    run = run_module("doctor", environment=NOWHERE | {"STREAM_BUILD_DIR": str(tmp_path / "file" / "build")})
    missing(run, "disk", "file cannot be written", "STREAM_BUILD_DIR")


def test_a_port_that_something_else_has(run_module):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = run_module("doctor", environment={"STREAM_BOOTSTRAP_SERVERS": f"localhost:{port}"})
    missing(run, "port", f"{port} is taken by", f"(process {os.getpid()}), which is no broker", "end that program")


def test_zookeepers_port_matters_only_to_docker(run_module, tmp_path):
    compose = tmp_path / "compose.yml"
    compose.write_text("services:\n  zookeeper:\n    image: none\n    ports: ['127.0.0.1:2181:2181']\n")
    in_docker = NOWHERE | {"STREAM_MODE": "docker", "STREAM_COMPOSE_FILE": str(compose)}
    try:
        listening = socket.create_server(("127.0.0.1", doctor.ZOOKEEPER_PORT))
    except OSError:
        pytest.skip(f"port {doctor.ZOOKEEPER_PORT} is in use on this machine")
    with listening:
        assert "only the classic Docker stack needs it" in line(run_module("doctor", environment=NOWHERE), "ZooKeeper")
        missing(run_module("doctor", environment=in_docker), "ZooKeeper", "2181 is taken by", f"{os.getpid()}")


def test_no_docker_matters_only_to_docker(run_module, tmp_path):
    (tmp_path / "java").symlink_to(shutil.which("java"))
    without = NOWHERE | {"PATH": str(tmp_path)}
    run = run_module("doctor", environment=without)
    assert run.returncode == 0 and "only mode docker needs it" in line(run, "Docker")
    assert "only the browser tests need it" in line(run, "browser")
    run = run_module("doctor", environment=without | {"STREAM_MODE": "docker"})
    missing(run, "Docker", "there is no Docker here", "install Docker Desktop")


@pytest.mark.skipif(not shutil.which("docker"), reason="no Docker client is installed")
def test_no_engine(run_module, tmp_path):
    off = NOWHERE | {"STREAM_MODE": "docker", "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    missing(
        run_module("doctor", environment=off), "engine", "Cannot connect to the Docker daemon", "open Docker Desktop"
    )


def test_a_broker_that_sends_clients_to_a_name_unknown_here(run_module, tmp_path, monkeypatch):
    address = f"localhost:{free_port()}"
    plain = embedded_kafka.server_properties
    listener = "advertised.listeners=PLAINTEXT://"
    monkeypatch.setattr(
        embedded_kafka,
        "server_properties",
        lambda *arguments: plain(*arguments).replace(listener + address, listener + "kafka.invalid:9092"),
    )
    pid = embedded_kafka.start(Settings(bootstrap_servers=address), tmp_path)
    try:
        environment = {"STREAM_BOOTSTRAP_SERVERS": address}
        wait_until(lambda: "kafka.invalid" in run_module("doctor", environment=environment).stdout, seconds=60, every=1)
        run = run_module("doctor", environment=environment)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    missing(run, "broker", "sends clients to kafka.invalid:9092", "advertised.listeners", f"PLAINTEXT://{address}")
    missing(run, "round trip", "a message did not come back")


@pytest.mark.parametrize("name, value", [("PARTITIONS", "many"), ("MODE", "dockr")])
def test_a_setting_that_makes_no_sense(run_module, name, value):
    missing(run_module("doctor", environment={f"STREAM_{name}": value}), "settings", value)


def test_a_check_that_hangs_or_breaks_does_not_stop_the_others(monkeypatch):
    monkeypatch.setattr(doctor, "DEADLINE_SECONDS", 0.2)
    forever = threading.Event()
    began = time.monotonic()
    found = dict(doctor.examine({"hangs": forever.wait, "breaks": lambda: 1 / 0, "works": doctor.check_python}))
    forever.set()
    assert time.monotonic() - began < 5
    assert "no answer within 0.2 s" in found["hangs"].text and "ZeroDivisionError" in found["breaks"].text
    assert found["works"].level == "good"
