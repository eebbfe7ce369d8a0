"""The lists of versions, the jars, Java and the settings: what stands before the pipeline."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from lib.infra.jars import LOCKS
from lib.settings import KAFKA_VERSION, ROOT, Settings, from_environment

PINS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
LOCKED = re.findall(r"^([A-Za-z0-9._-]+==[^\\\n]*[^\\\s])", (ROOT / "requirements.lock").read_text(), re.M)
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())


def test_every_pin_is_exact_and_locked():
    for pin in PINS:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+", pin), pin
        assert pin in LOCKED, f"{pin} is not in requirements.lock: make lock"


def test_conda_installs_what_the_lock_says():
    *conda, pip = CONDA["dependencies"]
    assert CONDA["name"] == "arqesp" and conda == ["python=3.11", "openjdk=17", "pip"]
    assert pip["pip"] == [*LOCKED, "-e ."]


def test_every_locked_package_has_its_hash():
    lock = (ROOT / "requirements.lock").read_text()
    for package in re.split(r"\n(?=[A-Za-z0-9])", lock.strip()):
        assert "--hash=sha256:" in package, package


def test_this_environment_is_the_locked_one():
    from importlib.metadata import version

    from packaging.requirements import Requirement

    for text in LOCKED:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate():
            assert version(requirement.name) in requirement.specifier, f"{text}: make install"


def test_jar_locks_agree_with_the_versions():
    locks = {name: tomllib.loads(path.read_text())["dependencies"] for name, path in LOCKS.items()}
    versions = {name: {jar["artifactId"]: jar["version"] for jar in jars} for name, jars in locks.items()}
    assert versions["broker"]["kafka_2.13"] == versions["broker"]["kafka-clients"] == KAFKA_VERSION
    assert f"pyspark=={versions['connector']['spark-sql-kafka-0-10_2.13']}" in PINS
    assert len(locks["connector"]) == 4
    assert all(len(jar["sha256"]) == 64 for jars in locks.values() for jar in jars)


def test_importing_lib_costs_nothing():
    heavy = "import sys, lib; print([m for m in ('pyspark', 'kafka', 'pandas', 'IPython') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_setting_can_be_overridden():
    environment = {"STREAM_PARTITIONS": "3", "STREAM_READY_SECONDS": "1.5", "STREAM_SPARK_UI": "true"}
    changed = from_environment(environment)
    assert (changed.partitions, changed.ready_seconds, changed.spark_ui) == (3, 1.5, True)
    assert from_environment({}) == Settings()


def test_a_relative_build_folder_is_the_same_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert from_environment({"STREAM_BUILD_DIR": "other"}).build_dir == ROOT / "other"
    assert from_environment({"STREAM_BUILD_DIR": str(tmp_path)}).build_dir == tmp_path


@pytest.mark.parametrize(
    "options, said",
    [
        (["--top", -1], "top -1 is below 1"),
        (["--window", "0 seconds"], "window '0 seconds' is not a duration"),
        (["--slide", "40 seconds"], "slide '40 seconds' is above window '30 seconds'"),
        (["--window", "1min"], "window '1min' is not a duration"),
        (["--watermark", "banana"], "watermark 'banana' is not a duration"),
        (["--trigger=-1 seconds"], "trigger '-1 seconds' is not a duration"),
    ],
)
def test_a_consumer_option_that_makes_no_sense_is_said_before_anything_starts(run_module, options, said):
    nowhere = {"STREAM_BOOTSTRAP_SERVERS": "localhost:1"}  # with sensible options that would be said
    run = run_module("consumer", *options, environment=nowhere)
    assert run.returncode == 1 and said in run.stderr and "What to do" in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "name, value",
    [("PARTITIONS", "many"), ("BOOTSTRAP_SERVERS", "localhost"), ("BOOTSTRAP_SERVERS", "localhost:99999")],
)
def test_a_setting_that_makes_no_sense_is_said(run_module, name, value):
    run = run_module("infra", "status", environment={f"STREAM_{name}": value})
    assert run.returncode == 1
    assert f"STREAM_{name}=" in run.stderr and "What to do" in run.stderr and "Traceback" not in run.stderr


@pytest.fixture
def java_that_says(tmp_path):
    def make(text: str) -> Path:
        java = tmp_path / "bin" / "java"
        java.parent.mkdir()
        java.write_text(f"#!{shutil.which('sh')}\necho '{text}' >&2\n")
        java.chmod(java.stat().st_mode | stat.S_IEXEC)
        return tmp_path

    return make


@pytest.mark.parametrize(
    "said, found",
    [('openjdk version "11.0.2"', "Java 11"), ('java version "1.8.0_292"', "Java 8"), ("?", "Java of unknown")],
)
def test_a_wrong_java_is_said(run_module, java_that_says, said, found):
    run = run_module("infra.java", environment={"JAVA_HOME": str(java_that_says(said))})
    assert run.returncode == 1 and found in run.stderr and "17, 21, 25 is needed" in run.stderr
    assert "--fetch" in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize("version", [17, 21, 25])
def test_a_right_java_is_taken(run_module, java_that_says, version):
    run = run_module("infra.java", environment={"JAVA_HOME": str(java_that_says(f'openjdk version "{version}.0.1"'))})
    assert run.stdout.startswith(f"Java {version}:")


def test_java_home_to_nowhere_is_said(run_module):
    run = run_module("infra.java", environment={"JAVA_HOME": "/nowhere"})
    assert run.returncode == 1 and "JAVA_HOME=/nowhere, but there is no bin/java in it" in run.stderr


def test_no_java_is_said(run_module, tmp_path):
    run = run_module("infra.java", environment={"JAVA_HOME": None, "PATH": str(tmp_path)})
    assert run.returncode == 1 and "none was found" in run.stderr and "python -m lib.infra.java --fetch" in run.stderr


def test_java_on_path_is_found_without_java_home(run_module, java_that_says):
    folder = java_that_says('openjdk version "21.0.1"') / "bin"
    run = run_module("infra.java", environment={"JAVA_HOME": None, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"})
    assert run.stdout.startswith("Java 21:")


def test_a_fetched_java_that_is_gone_is_not_insisted_on(run_module, java_that_says, tmp_path):
    (tmp_path / "java-home").write_text(str(tmp_path / "gone"))
    home = java_that_says('openjdk version "17.0.1"')
    run = run_module("infra.java", environment={"JAVA_HOME": str(home), "STREAM_BUILD_DIR": str(tmp_path)})
    assert run.stdout.startswith("Java 17:"), run.stderr


def test_the_java_of_a_conda_environment_is_found_where_it_is_not_active(java_that_says, tmp_path):
    home = java_that_says('openjdk version "17.0.1"')
    code = f"import sys; sys.prefix = {str(home)!r}; from lib.infra.java import find_java; print(find_java())"
    environment = {k: v for k, v in os.environ.items() if k != "JAVA_HOME"} | {"PATH": str(tmp_path / "empty")}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert run.stdout.strip() == str(home / "bin" / "java"), run.stderr


def test_a_flipped_byte_in_a_jar_is_refused_and_fetched_again(run_module, tmp_path):
    """On a copy of the connector's jars; needs the network for the one jar that is fetched again."""
    from jgo.maven import MavenContext

    from lib.infra.jars import jars

    paths, repository = jars("connector"), MavenContext().repo_cache
    for path in paths:
        target = tmp_path / path.relative_to(repository)
        target.parent.mkdir(parents=True)
        shutil.copy(path, target)
    broken = max((tmp_path / path.relative_to(repository) for path in paths), key=lambda p: -p.stat().st_size)
    content = bytearray(broken.read_bytes())
    content[100] ^= 1
    broken.write_bytes(content)

    fetch = "from lib.infra.jars import jars; print(len(jars('connector')))"
    environment = os.environ | {"M2_REPO": str(tmp_path)}
    offline = {name: "http://127.0.0.1:9" for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")}
    run = subprocess.run([sys.executable, "-c", fetch], capture_output=True, text=True, env=environment)
    assert f"{broken.name} is not the jar that was locked: fetching it again" in run.stderr
    if "could not be fetched" in run.stderr:
        pytest.skip("no way to Maven Central from here, so the jar could not be fetched again")
    assert run.stdout.strip() == "4"
    again = subprocess.run([sys.executable, "-c", fetch], capture_output=True, text=True, env=environment | offline)
    assert again.stdout.strip() == "4" and again.stderr == "", "the second time needs no network"
    broken.unlink()
    alone = subprocess.run([sys.executable, "-c", fetch], capture_output=True, text=True, env=environment | offline)
    assert (
        alone.returncode == 1 and "could not be fetched" in alone.stderr and "python -m lib.infra.jars" in alone.stderr
    )


def test_another_package_called_lib_is_not_in_the_way_or_is_named(tmp_path):
    """An editable install finds our modules within another package `lib`, unless that has one of the same name."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__init__.py").write_text("")
    command = [sys.executable, "-c", "from lib.tweets import stream; print(next(iter(stream())))"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "created_at" in found.stdout, found.stderr
    (tmp_path / "lib" / "tweets.py").write_text("")
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stderr
    assert f"cannot import name 'stream' from 'lib.tweets' ({tmp_path / 'lib' / 'tweets.py'})" in said
