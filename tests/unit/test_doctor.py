"""The doctor's checks, called as functions on a machine that lacks something; no broker is needed."""

import ast
import os
import pty
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from lib import doctor
from lib.doctor import __main__ as command_line
from lib.doctor import machine, network
from lib.errors import BrokerError, DockerError, SettingError
from lib.infra.jars import jars
from lib.settings import ROOT, Settings
from lib.topics import Cluster

NOWHERE = "localhost:1"
MARKS = {mark for mark, _ in command_line.MARKS.values()}


@pytest.fixture
def here(tmp_path):
    """Settings of a broker that does not answer, and of a build folder that does not exist."""
    return Settings(bootstrap_servers=NOWHERE, build_dir=tmp_path / "build", answer_seconds=0.5)


def missing(found: machine.Finding, *facts: object) -> None:
    """The finding is that something is missing; it has these facts, and a remedy."""
    assert found.level == "missing" and found.remedy
    for fact in facts:
        assert str(fact) in found.text


def of(name: str, settings: Settings) -> machine.Finding:
    """The finding of one check, as the doctor takes it."""
    return doctor.safely(doctor.CHECKS[name], settings)


# The command line


def test_no_broker_matters_only_where_another_runs_it(run_main, here):
    environment = {"STREAM_BOOTSTRAP_SERVERS": NOWHERE}
    run = run_main("doctor", environment=environment)
    lines = run.stdout.splitlines()
    assert run.returncode == 0 and lines[-1].startswith(f"all {len(doctor.CHECKS) + 2} checks passed")
    assert any(line.startswith("· broker") for line in lines) and "✘" not in run.stdout
    run = run_main("doctor", environment=environment | {"STREAM_MODE": "external"})
    assert run.returncode == 1 and [line[2:8] for line in run.stdout.splitlines() if line[0] == "✘"] == ["broker"]
    assert run.stdout.splitlines()[-1] == "1 of 15 checks failed (✘)"
    assert of("port", replace(here, mode="external")).level == "note"


@pytest.mark.parametrize("name, value", [("PARTITIONS", "many"), ("MODE", "dockr")])
def test_an_invalid_setting_ends_it(run_main, name, value):
    run = run_main("doctor", environment={f"STREAM_{name}": value})
    assert run.returncode == 1 and run.stdout.splitlines()[1].startswith("✘ settings") and value in run.stdout


def test_warnings_are_counted_but_do_not_fail(run_main, monkeypatch):
    findings = [machine.Finding(level, "", "") for level in ("good", "note", "warning", "warning")]
    monkeypatch.setattr(command_line, "examine", lambda settings: enumerate(findings))
    run = run_main("doctor")
    assert (run.returncode, run.stdout.splitlines()[-1]) == (0, "all 6 checks passed, 2 with a warning (!)")


def test_colour_where_the_terminal_has_it():
    ours, its = pty.openpty()
    environment = os.environ | {"STREAM_MODE": "dockr", "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    run = subprocess.run([sys.executable, "-m", "lib.doctor"], stdout=its, stderr=its, env=environment)
    os.close(its)
    with open(ours, "rb") as terminal:
        shown = terminal.read1().decode()
    assert run.returncode == 1 and "\x1b[32m✔\x1b[0m Python" in shown and "\x1b[1;31m✘\x1b[0m settings" in shown


def test_a_console_without_such_letters(run_module):
    run = run_module("doctor", environment={"STREAM_MODE": "dockr", "PYTHONIOENCODING": "cp1252"})
    assert run.returncode == 1 and "✘ settings" in run.stdout and run.stderr == ""


# Python and packages


@pytest.mark.parametrize(
    "version, level",
    [((3, 10, 99), "missing"), ((3, 11, 0), "good"), ((3, 13, 9), "good"), ((3, 14, 0), "missing")],
)
def test_only_some_pythons_are_supported(monkeypatch, version, level):
    monkeypatch.setattr(sys, "version_info", version)
    found = machine.python()
    assert found.level == level and ".".join(map(str, version)) in found.text


def test_with_another_python_nothing_else_is_checked():
    """No other Python is at hand: this one reports 3.9, and cannot import what 3.9 could not."""
    code = """
import runpy, sys
sys.version_info = (3, 9, 2)
sys.modules |= {"lib.settings": None, "lib.errors": None}
runpy.run_module("lib.doctor", run_name="__main__")"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=ROOT)
    assert run.returncode == 1 and run.stderr == "" and len(run.stdout.splitlines()) == 2
    assert run.stdout.startswith("✘ Python     3.9.2") and "make install PYTHON=python3.11" in run.stdout


@pytest.mark.parametrize("module", [doctor, machine, command_line], ids=lambda module: module.__name__)
def test_an_older_python_can_read_it(module):
    ast.parse(Path(module.__file__).read_text(encoding="utf-8"), feature_version=(3, 8))


def test_without_any_package():
    command = [sys.executable, "-S", "-m", "lib.doctor"]  # -S: without the folder of installed packages
    run = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, timeout=120)
    assert run.returncode == 1 and run.stderr == ""
    marks = {line[2:12].strip(): line for line in run.stdout.splitlines() if line[0] in MARKS}
    assert marks["disk"][0] == "✔", "what does not need them is checked"
    for name in ("packages", "Java", "jars", "memory", "port", "Docker", "broker", "round trip"):
        assert marks[name].startswith("✘") and marks[name].endswith("is not installed"), marks[name]
    assert run.stdout.count("make install") == run.stdout.count("✘") - 1, "each with its remedy; the last line has none"


def test_a_package_of_another_version(here, tmp_path, monkeypatch):
    for name, version in (("kafka-python", "2.0.2"), ("unlisted", "1.0")):
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = of("packages", here)
    missing(found, "kafka-python is 2.0.2", "3.0.12")
    assert "unlisted" not in found.text, "what the lock does not name is the user's own"


def test_packages_that_are_missing(here, tmp_path, monkeypatch):
    lock = (ROOT / "requirements.lock").read_text()
    not_here = "not-for-here==1.0 ; sys_platform == 'nowhere' \\\n"
    no_such = "".join(f"no-such-package-{letter}==1.0 \\\n" for letter in "abcde")
    (tmp_path / "requirements.lock").write_text(no_such + not_here + lock)
    monkeypatch.setattr("lib.settings.ROOT", tmp_path)
    found = of("packages", here)
    missing(found, "no-such-package-c is not installed, and 2 more")
    assert "not-for-here" not in found.text


# Java and jars


def test_no_java(here, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    missing(of("Java", here))


def test_another_java(here, tmp_path, monkeypatch):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    missing(of("Java", here), "Java 8", java)


@pytest.fixture
def own_jars(tmp_path, monkeypatch):
    """The folder of a Maven cache of its own, with links to the locked jars."""
    cache = Path(os.environ.get("M2_REPO", Path.home() / ".m2" / "repository"))
    for path in [*jars("broker"), *jars("connector")]:
        link = tmp_path / path.relative_to(cache)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(path)
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    return tmp_path


def test_archives_that_are_missing(here, tmp_path):
    found = of("archives", replace(here, archive_dir=tmp_path))
    assert found.level == "note" and found.remedy == "python -m lib.class_data"


def test_a_jar_that_is_missing(here, own_jars):
    jar = next(own_jars.rglob("lz4-java*.jar"))
    jar.unlink()
    missing(of("jars", here), jar.name)
    assert not jar.exists(), "the doctor changes nothing"
    external = replace(here, mode="external")
    found = of("jars", external)
    assert found.level == "good" and found.text.startswith("4,"), "it is the broker's alone"
    jar = next(own_jars.rglob("commons-pool2*.jar"))
    jar.unlink()
    missing(of("jars", external), jar.name)


def test_a_jar_with_one_byte_flipped(here, own_jars):
    assert of("jars", here).level == "good"
    jar = next(own_jars.rglob("commons-pool2*.jar"))
    content = bytearray(jar.read_bytes())
    content[len(content) // 2] ^= 1
    jar.unlink()
    jar.write_bytes(content)
    missing(of("jars", here), f"{jar.name} differs")


# Memory, disk and browser


def test_too_little_memory(here):
    total = psutil.virtual_memory().total // 1024**2
    rest = machine.OVERHEAD_MB + here.broker_heap_mb
    found = of("memory", replace(here, driver_memory_mb=total - rest))
    assert found.level == "warning" and f"{total:,} MB" in found.text, "other programs can be closed"
    more = replace(here, driver_memory_mb=total - rest + 1)
    missing(of("memory", more), f"{total + 1:,} MB")
    external = of("memory", replace(more, mode="external"))
    assert external.level == "warning" and f"{total + 1 - here.broker_heap_mb:,} MB" in external.text, "no broker"


def test_too_little_disk(here, small_disk):
    here = replace(here, build_dir=small_disk / "build")

    def with_disk(option: str, mode: str = "embedded") -> machine.Finding:
        subprocess.run(["mount", "-o", f"remount,{option}", small_disk], check=True)
        return of("disk", replace(here, mode=mode))

    missing(with_disk("size=1535m"), "1,535 MB", small_disk, "1,536 MB")
    assert with_disk("size=1536m").level == "good"
    assert with_disk("size=512m", mode="external").level == "good", "no topic on this disk"
    missing(with_disk("size=511m", mode="external"), "511 MB")
    missing(with_disk("ro"), small_disk)


def test_a_folder_that_cannot_be_used(here, tmp_path):
    (tmp_path / "file").write_text("")
    missing(of("disk", replace(here, build_dir=tmp_path / "file" / "build")), tmp_path / "file")


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"])
def test_a_browser_is_found_by_each_of_its_names(here, tmp_path, monkeypatch, name):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert of("browser", here).level == "note"
    (tmp_path / name).touch(0o755)
    assert of("browser", here) == machine.Finding("good", str(tmp_path / name))


# Ports


def test_a_port_that_something_else_has(here):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = of("port", replace(here, bootstrap_servers=f"localhost:{port}"))
    missing(found, port, f"process {os.getpid()}")
    assert of("port", replace(here, bootstrap_servers=f"localhost:{port}")).level == "good", "it is free now"


def test_a_port_that_a_container_has(here, stand_in):
    stand_in('[ "$1" = ps ] && echo web')
    with socket.create_server(("127.0.0.1", 0)) as other:
        found = of("port", replace(here, bootstrap_servers=f"localhost:{other.getsockname()[1]}"))
    missing(found, "the container web")
    assert "docker stop" in found.remedy


@pytest.mark.parametrize(
    "mode, stack, container, level",
    [
        ("embedded", "docker-compose.yml", "", "note"),
        ("docker", "docker-compose.kraft.yml", "", "note"),
        ("docker", "docker-compose.yml", "", "missing"),
        ("docker", "docker-compose.yml", "another", "missing"),
        ("docker", "docker-compose.yml", "zookeeper", "good"),
    ],
)
def test_zookeepers_port_matters_only_to_the_classic_stack(
    here, monkeypatch, tmp_path, stand_in, mode, stack, container, level
):
    """At another port: a ZooKeeper may run at 2181 while the tests do."""
    stand_in(f'[ "$1" = ps ] && echo {container}')
    owner = f"the container {container}" if container else f"process {os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        file = tmp_path / stack
        file.write_text((ROOT / "docker" / stack).read_text().replace(f"{network.ZOOKEEPER_PORT}:2181", f"{port}:2181"))
        monkeypatch.setattr(network, "ZOOKEEPER_PORT", port)
        found = of("ZooKeeper", replace(here, mode=mode, compose_file=file))
        assert found.level == level and found.text.startswith(str(port)) and owner in found.text
        assert bool(found.remedy) == (level == "missing")
    assert of("ZooKeeper", here) == machine.Finding("good", f"{port} is free")


# Docker


def only_docker(name: str, here: Settings, *facts: object) -> None:
    """The check is missing something in mode docker, and notes it in the others."""
    missing(of(name, replace(here, mode="docker")), *facts)
    assert of(name, here).level == of(name, replace(here, mode="external")).level == "note"


def test_no_docker_matters_only_to_docker(here, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    only_docker("Docker", here)
    only_docker("engine", here)


def test_docker_without_compose_matters_only_to_docker(here, stand_in):
    stand_in('[ "$1" = compose ] && exit 1')
    only_docker("Docker", here, "docker compose")


def test_an_engine_with_too_little_memory_matters_only_to_docker(here, stand_in):
    stand_in()
    assert of("Docker", here) == machine.Finding("good", "version 28.2.2, build e6534b4")
    assert of("engine", replace(here, mode="docker")).level == "good"
    stand_in(memory=1_000_000_000)
    only_docker("engine", here, "953 MB", "1536 MB")


def test_a_compose_file_that_cannot_be_read_matters_only_to_docker(here, stand_in, tmp_path):
    stand_in()
    only_docker("engine", replace(here, compose_file=tmp_path / "none.yml"), "none.yml")


@pytest.mark.skipif(not shutil.which("docker"), reason="no Docker client is installed")
def test_no_engine(here, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    only_docker("engine", here, "no.sock")


# The broker


@pytest.mark.parametrize("address, fault", [("kafka.invalid:9092", "kafka.invalid"), (NOWHERE, NOWHERE)])
def test_a_broker_that_sends_clients_where_they_cannot_go(here, monkeypatch, address, fault):
    with socket.create_server(("127.0.0.1", 0)) as other:
        reachable = f"localhost:{other.getsockname()[1]}"
        monkeypatch.setattr(Cluster, "advertised", lambda _: [reachable])
        assert of("broker", here).level == "good"
        monkeypatch.setattr(Cluster, "advertised", lambda _: [reachable, address])
        found = of("broker", here)
        missing(found, fault)
        assert reachable not in found.text.rpartition(";")[2] and NOWHERE in found.remedy


# Checks that hang or fail


def test_a_check_that_hangs_or_fails_does_not_stop_the_others(here):
    forever = threading.Event()
    began = time.monotonic()
    checks = {"hangs": lambda _: forever.wait(), "fails": lambda _: 1 / 0, "works": machine.browser}
    found = dict(doctor.examine(here, checks, seconds=0.2))
    forever.set()
    assert time.monotonic() - began < 5
    assert found["hangs"].level == found["fails"].level == "warning" and "ZeroDivisionError" in found["fails"].text
    assert list(found) == list(checks) and found["works"] == machine.browser(here)


@pytest.mark.parametrize(
    "error, mode, level",
    [
        (BrokerError("", "do"), "embedded", "missing"),
        (DockerError("", "do"), "docker", "missing"),
        (DockerError("", "do"), "embedded", "note"),
        (SettingError("", "do", option="STREAM_BOOTSTRAP_SERVERS"), "embedded", "missing"),
        (ImportError(name="psutil"), "embedded", "missing"),
    ],
)
def test_an_error_becomes_a_finding(here, error, mode, level):
    def check(settings):
        raise error

    found = doctor.safely(check, replace(here, mode=mode))
    assert found.level == level and bool(found.remedy) == (level == "missing")


def test_a_check_that_hangs_does_not_keep_the_program():
    code = """
import threading
from lib import doctor
from lib.settings import Settings
list(doctor.examine(Settings(), {"hangs": lambda settings: threading.Event().wait()}, seconds=0.1))"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=30)
