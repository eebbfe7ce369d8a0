"""The doctor tells a healthy machine from each of the broken ones, as a process of its own on a machine made so."""

import ast
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from lib import doctor, topics
from lib.doctor import checks
from lib.infra import embedded as embedded_kafka
from lib.infra import jars
from lib.settings import ROOT, Settings, settings
from lib.wait import wait_until
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
    if check not in ("Python", "settings"):  # after which there is no use in looking further
        count = len(re.findall("^✘", run.stdout, re.M))
        assert run.stdout.splitlines()[-1] == f"{count} of these must be put right first (✘)"


@pytest.fixture
def stand_in(tmp_path):
    """Put a `docker` on PATH that says what the real one says, except for the lines of shell; the new PATH."""

    def make(lines: str = "", memory: int = 8_000_000_000) -> dict:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f"""#!/bin/sh
            {lines}
            case "$1" in
                --version) echo "Docker version 28.2.2, build e6534b4";;
                info) echo "28.2.2|{memory}";;
            esac"""
        )
        program.chmod(0o755)
        return {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}

    return make


def test_a_healthy_machine_with_a_broker_is_left_as_it_was(broker, run_module):
    before = topics.names(), sorted(settings.build_dir.rglob("*.json"))
    run = run_module("doctor")
    assert run.returncode == 0 and "✘" not in run.stdout and "\x1b" not in run.stdout
    assert run.stdout.splitlines()[-1] == "this machine is ready for the course"
    for check in ("Python", "settings", "packages", "Java", "jars", "memory", "disk", "port", "broker", "round trip"):
        assert line(run, check).startswith("✔")
    assert f"sends clients to {broker.bootstrap_servers}" in line(run, "broker")
    assert (topics.names(), sorted(settings.build_dir.rglob("*.json"))) == before


def test_no_broker_matters_only_where_another_runs_it(run_module):
    run = run_module("doctor", environment=NOWHERE)
    assert run.returncode == 0
    assert line(run, "broker").startswith("· broker") and "make up" in line(run, "broker")
    assert "not tried" in line(run, "round trip") and "1 is free" in line(run, "port")
    run = run_module("doctor", environment=NOWHERE | {"STREAM_MODE": "external"})
    missing(run, "broker", "none answers at")
    assert line(run, "port").startswith("·") and "the business of who runs the broker" in line(run, "port")


@pytest.mark.parametrize("version", [(3, 9, 2), (3, 10, 99), (3, 14, 0)])
def test_another_python(version):
    """No other Python is at hand: this one says that it is another, and cannot import what an old one could not."""
    code = f"""
import runpy, sys
sys.version_info = {version}
sys.modules |= {{"lib.settings": None, "lib.errors": None}}
runpy.run_module("lib.doctor", run_name="__main__")"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=ROOT)
    missing(run, "Python", ".".join(map(str, version)), "3.11 to 3.13 is needed", "make install PYTHON=python3.11")
    assert len(run.stdout.splitlines()) == 2, "with another Python, what else is wrong says nothing"


@pytest.mark.parametrize("module", [checks, doctor], ids=lambda module: module.__name__)
def test_an_older_python_can_read_it(module):
    ast.parse(Path(module.__file__).read_text(encoding="utf-8"), feature_version=(3, 8))


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
    unlisted = tmp_path / "unlisted-1.0.dist-info"
    unlisted.mkdir()
    (unlisted / "METADATA").write_text("Metadata-Version: 2.1\nName: unlisted\nVersion: 1.0\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    run = run_module("doctor", environment=NOWHERE | {"PYTHONPATH": path})
    missing(run, "packages", "kafka-python is 2.0.2, locked is 3.0.12", "make install")
    assert "unlisted" not in run.stdout, "what the lock does not name is the user's own"


def test_packages_that_are_missing(run_module, tmp_path):
    shutil.copytree(ROOT / "lib", tmp_path / "lib")
    lock = (ROOT / "requirements.lock").read_text()
    not_here = "not-for-here==1.0 ; sys_platform == 'nowhere' \\\n"
    no_such = "".join(f"no-such-package-{letter}==1.0 \\\n" for letter in "abcde")
    (tmp_path / "requirements.lock").write_text(no_such + not_here + lock)
    run = run_module("doctor", environment=NOWHERE | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    missing(run, "packages", "no-such-package-c is not installed, and 2 more\n", "make install")
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
    missing(run_module("doctor", environment=environment), "jars", f"{jar.name} is missing", "python -m lib.infra.jars")
    assert not jar.exists(), "the doctor only looks"
    elsewhere = environment | {"STREAM_MODE": "external"}
    assert "4, verified" in line(run_module("doctor", environment=elsewhere), "jars"), "it is the broker's alone"
    jar = next(cache.rglob("commons-pool2*.jar"))
    jar.unlink()
    missing(run_module("doctor", environment=elsewhere), "jars", f"{jar.name} is missing")


def test_a_jar_with_one_byte_flipped(run_module, own_jars):
    environment, cache = own_jars
    assert line(run_module("doctor", environment=environment), "jars").startswith("✔")
    jar = next(cache.rglob("commons-pool2*.jar"))
    content = bytearray(jar.read_bytes())
    content[len(content) // 2] ^= 1
    jar.unlink()
    jar.write_bytes(content)
    run = run_module("doctor", environment=environment)
    missing(run, "jars", f"{jar.name} is not the one that was locked", "python -m lib.infra.jars")


def test_too_little_memory(run_module):
    total = psutil.virtual_memory().total // 1024**2
    rest = checks.OVERHEAD_MB + settings.broker_heap_mb
    for_all = NOWHERE | {"STREAM_DRIVER_MEMORY": f"{total - rest}m"}
    run = run_module("doctor", environment=for_all)
    assert run.returncode == 0 and line(run, "memory").startswith("!"), "other programs can be closed"
    assert f"may take {total:,} MB" in line(run, "memory") and "close other programs" in line(run, "memory")
    more = NOWHERE | {"STREAM_DRIVER_MEMORY": f"{total - rest + 1}m"}
    missing(run_module("doctor", environment=more), "memory", f"may take {total + 1:,} MB", "STREAM_DRIVER_MEMORY=512m")
    elsewhere = run_module("doctor", environment=more | {"STREAM_MODE": "external"})
    assert f"{total + 1 - settings.broker_heap_mb:,} MB" in line(elsewhere, "memory"), "no broker of ours"
    missing(run_module("doctor", environment=NOWHERE | {"STREAM_DRIVER_MEMORY": "9999g"}), "memory", "10,240,256 MB")


def test_too_little_disk(run_module, small_disk):
    here = NOWHERE | {"STREAM_BUILD_DIR": str(small_disk / "build")}

    def with_disk(option: str, **more):
        subprocess.run(["mount", "-o", f"remount,{option}", small_disk], check=True)
        return run_module("doctor", environment=here | more)

    missing(with_disk("size=1535m"), "disk", f"1,535 MB free at {small_disk}", "may take 1,536 MB", "make room")
    assert line(with_disk("size=1536m"), "disk").startswith("✔ disk       1,536 MB free for build/, 1,536 MB needed")
    assert line(with_disk("size=512m", STREAM_MODE="external"), "disk").startswith("✔"), "no topic of ours"
    missing(with_disk("ro"), "disk", f"{small_disk} cannot be written", "STREAM_BUILD_DIR")


def test_a_folder_that_cannot_be_used(run_module, tmp_path):
    (tmp_path / "file").write_text("")
    run = run_module("doctor", environment=NOWHERE | {"STREAM_BUILD_DIR": str(tmp_path / "file" / "build")})
    missing(run, "disk", "file cannot be written", "STREAM_BUILD_DIR")


def test_a_port_that_something_else_has(run_module):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = run_module("doctor", environment={"STREAM_BOOTSTRAP_SERVERS": f"localhost:{port}"})
    missing(run, "port", f"{port} is taken by", f"(process {os.getpid()}), which does not answer", "end that program")


def test_a_port_that_a_container_has(run_module, stand_in):
    with socket.create_server(("127.0.0.1", 0)) as other:
        mine = {"STREAM_BOOTSTRAP_SERVERS": f"localhost:{other.getsockname()[1]}"}
        run = run_module("doctor", environment=mine | stand_in('[ "$1" = ps ] && echo web'))
    missing(run, "port", "is taken by the container web, which does not answer", "a broker that is starting")


@pytest.mark.parametrize(
    "mode, stack, container, level, said",
    [
        ("embedded", "docker-compose.yml", "", "note", f"(process {os.getpid()}); only the classic Docker stack needs"),
        ("docker", "docker-compose.kraft.yml", "", "note", "only the classic Docker stack needs it"),
        ("docker", "docker-compose.yml", "", "missing", f"(process {os.getpid()})"),
        ("docker", "docker-compose.yml", "another", "missing", "the container another"),
        ("docker", "docker-compose.yml", "zookeeper", "good", "the container zookeeper"),
    ],
)
def test_zookeepers_port_matters_only_to_the_classic_stack(
    monkeypatch, tmp_path, stand_in, mode, stack, container, level, said
):
    """In this process and at another port: a ZooKeeper may run at 2181 while the tests do."""
    monkeypatch.setenv("PATH", stand_in(f'[ "$1" = ps ] && echo {container}')["PATH"])
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        file = tmp_path / stack
        file.write_text((ROOT / "docker" / stack).read_text().replace(f"{checks.ZOOKEEPER_PORT}:2181", f"{port}:2181"))
        monkeypatch.setattr(checks, "ZOOKEEPER_PORT", port)
        found = checks.check_zookeeper_port(Settings(mode=mode, compose_file=file))
        assert found.level == level and found.text.startswith(str(port)) and said in found.text
        assert ("docker stop NAME" in found.remedy) == (level == "missing")
    assert checks.check_zookeeper_port(settings) == checks.Finding("good", f"{port} is free")


def test_no_docker_matters_only_to_docker(run_module, tmp_path):
    (tmp_path / "java").symlink_to(shutil.which("java"))
    without = NOWHERE | {"PATH": str(tmp_path)}
    run = run_module("doctor", environment=without)
    assert run.returncode == 0 and "only mode docker needs it" in line(run, "Docker")
    assert "only the browser tests need it" in line(run, "browser") and "apt install chromium" in line(run, "browser")
    run = run_module("doctor", environment=without | {"STREAM_MODE": "docker"})
    missing(run, "Docker", "there is no Docker here", "install Docker Desktop")


def test_docker_without_compose_matters_only_to_docker(run_module, stand_in):
    environment = NOWHERE | stand_in(
        '[ "$1" = compose ] && echo "docker: unknown command: docker compose" >&2 && exit 1'
    )
    run = run_module("doctor", environment=environment)
    assert (
        run.returncode == 0 and line(run, "Docker").startswith("·") and "only mode docker needs" in line(run, "Docker")
    )
    run = run_module("doctor", environment=environment | {"STREAM_MODE": "docker"})
    missing(run, "Docker", "no command `docker compose`", "docker-compose-plugin")


def test_an_engine_with_too_little_memory_matters_only_to_docker(run_module, stand_in):
    run = run_module("doctor", environment=NOWHERE | stand_in() | {"STREAM_MODE": "docker"})
    assert line(run, "Docker").startswith("✔ Docker     version 28.2.2") and line(run, "engine").startswith("✔")
    little = NOWHERE | stand_in(memory=1_000_000_000)
    run = run_module("doctor", environment=little)
    assert (
        run.returncode == 0 and line(run, "engine").startswith("·") and "only mode docker needs" in line(run, "engine")
    )
    run = run_module("doctor", environment=little | {"STREAM_MODE": "docker"})
    missing(run, "engine", "Docker may use 953 MB of memory", "docker-compose.yml up to 1536 MB", "Resources")


@pytest.mark.skipif(not shutil.which("docker"), reason="no Docker client is installed")
def test_no_engine(run_module, tmp_path):
    off = NOWHERE | {"STREAM_MODE": "docker", "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    missing(
        run_module("doctor", environment=off), "engine", "Cannot connect to the Docker daemon", "open Docker Desktop"
    )


@pytest.mark.parametrize(
    "elsewhere, fault",
    [("kafka.invalid:9092", "kafka.invalid is no name known here"), ("localhost:1", "localhost:1 does not answer")],
)
def test_a_broker_that_sends_clients_where_they_cannot_go(run_module, tmp_path, monkeypatch, elsewhere, fault):
    address = f"localhost:{free_port()}"
    plain = embedded_kafka.server_properties
    listener = "advertised.listeners=PLAINTEXT://"
    monkeypatch.setattr(
        embedded_kafka,
        "server_properties",
        lambda *arguments: plain(*arguments).replace(listener + address, listener + elsewhere),
    )
    pid = embedded_kafka.start(Settings(bootstrap_servers=address), tmp_path)
    try:
        wait_until(lambda: topics.advertised(address), seconds=60, every=1)
        run = run_module("doctor", environment={"STREAM_BOOTSTRAP_SERVERS": address})
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    missing(run, "broker", f"sends clients to {elsewhere}; {fault}", "advertised.listeners", f"PLAINTEXT://{address}")
    missing(run, "round trip", "a message did not come back", "look at the line above")
    assert line(run, "port").startswith("✔")


@pytest.mark.parametrize("came", [[], [topics.Record(0, 0, 0, None, b"!")]], ids=["nothing", "another"])
def test_a_message_that_does_not_come_back(broker, monkeypatch, came):
    """No real broker does this: what is read from it is replaced."""
    before = topics.names()
    monkeypatch.setattr(topics, "read", lambda topic: came)
    found = checks.check_round_trip(settings)
    assert found.level == "missing" and found.text == "a message did not come back" and found.remedy
    assert topics.names() == before


def test_a_browser_is_found_by_each_of_its_names(tmp_path, monkeypatch):
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"):
        program = tmp_path / name / name
        program.parent.mkdir()
        program.touch(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        assert checks.find_browser() == str(program)
        assert checks.check_browser(settings) == checks.Finding("good", str(program))


def test_colour_where_the_terminal_has_it():
    ours, its = pty.openpty()
    environment = os.environ | {"STREAM_MODE": "dockr", "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    run = subprocess.run([sys.executable, "-m", "lib.doctor"], stdout=its, stderr=its, env=environment)
    os.close(its)
    with open(ours, "rb") as terminal:
        said = terminal.read1().decode()
    assert run.returncode == 1 and "\x1b[32m✔\x1b[0m Python" in said and "\x1b[1;31m✘\x1b[0m settings" in said


def test_a_console_that_has_no_such_letters(run_module):
    missing(run_module("doctor", environment={"STREAM_MODE": "dockr", "PYTHONIOENCODING": "cp1252"}), "settings")


@pytest.mark.parametrize("name, value", [("PARTITIONS", "many"), ("MODE", "dockr")])
def test_a_setting_that_makes_no_sense(run_module, name, value):
    missing(run_module("doctor", environment={f"STREAM_{name}": value}), "settings", value)


def test_a_check_that_hangs_or_breaks_does_not_stop_the_others(monkeypatch):
    monkeypatch.setattr(doctor, "DEADLINE_SECONDS", 0.2)
    forever = threading.Event()
    began = time.monotonic()
    of_this = {"hangs": lambda _: forever.wait(), "breaks": lambda _: 1 / 0, "works": checks.check_browser}
    found = dict(doctor.examine(of_this))
    forever.set()
    assert time.monotonic() - began < 5
    assert "no answer within 0.2 s" in found["hangs"].text and "ZeroDivisionError" in found["breaks"].text
    assert [finding.level for finding in found.values()] == ["warning", "warning", checks.check_browser(settings).level]


def test_a_check_that_hangs_does_not_keep_the_program():
    code = """
import threading
from lib import doctor
doctor.DEADLINE_SECONDS = 0.1
list(doctor.examine({"hangs": lambda settings: threading.Event().wait()}))"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=30)
