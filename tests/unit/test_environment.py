"""The lists of versions, the settings, Java, and options that are refused before anything starts."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from lib.errors import CourseError, JavaError, SettingError
from lib.infra.jars import LOCKS
from lib.infra.java import fetch_java, find_java, java_home
from lib.settings import KAFKA_VERSION, ROOT, Settings
from lib.spark_session import jvm_options

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PINS = [*PROJECT["dependencies"], *EXTRAS["postgresql"], *EXTRAS["confluent"]]
LOCKED = re.findall(r"^([A-Za-z0-9._-]+==[^\\\n]*[^\\\s])", (ROOT / "requirements.lock").read_text(), re.M)
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())


# The lists of versions


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
    for requirement in map(Requirement, LOCKED):
        if requirement.marker is None or requirement.marker.evaluate():
            assert version(requirement.name) in requirement.specifier, f"{requirement}: make install"


def test_jar_locks_agree_with_the_versions():
    locks = {name: tomllib.loads(path.read_text())["dependencies"] for name, path in LOCKS.items()}
    versions = {name: {jar["artifactId"]: jar["version"] for jar in jars} for name, jars in locks.items()}
    assert versions["broker"]["kafka_2.13"] == versions["broker"]["kafka-clients"] == KAFKA_VERSION
    assert f"pyspark=={versions['connector']['spark-sql-kafka-0-10_2.13']}" in PINS
    assert len(locks["connector"]) == 4
    assert all(len(jar["sha256"]) == 64 for jars in locks.values() for jar in jars)


# Settings


def test_a_setting_can_be_overridden():
    environment = {"STREAM_PARTITIONS": "3", "STREAM_READY_SECONDS": "1.5", "STREAM_SPARK_UI": "true", "TOP": "9"}
    changed = Settings(partitions=3, ready_seconds=1.5, spark_ui=True)
    assert Settings.from_environment(environment) == changed and Settings.from_environment({}) == Settings()


def test_every_setting_can_be_given_as_text():
    settings = Settings()
    values = {field.name: getattr(settings, field.name) for field in fields(Settings)}
    environment = {f"STREAM_{name.upper()}": str(value) for name, value in values.items()}
    assert Settings.from_environment(environment) == settings


def test_a_relative_folder_is_the_same_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changed = Settings.from_environment({"STREAM_BUILD_DIR": "other", "STREAM_COMPOSE_FILE": "docker/another.yml"})
    assert (changed.build_dir, changed.compose_file) == (ROOT / "other", ROOT / "docker" / "another.yml")
    assert Settings.from_environment({"STREAM_BUILD_DIR": str(tmp_path)}).build_dir == tmp_path


@pytest.mark.parametrize(
    "name, value",
    [
        ("PARTITIONS", "many"),
        ("BOOTSTRAP_SERVERS", "localhost"),
        ("BOOTSTRAP_SERVERS", ":9092"),
        ("BOOTSTRAP_SERVERS", "localhost:99999"),
        ("MODE", "dockr"),
    ],
)
def test_an_invalid_setting_is_refused(run_main, name, value):
    run = run_main("infra", "status", environment={f"STREAM_{name}": value})
    assert run.returncode == 1 and type(run.error) is SettingError and run.error.remedy
    assert run.error.data == {"option": f"STREAM_{name}", "value": value}


def test_a_build_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingError) as refused:
        Settings(build_dir=tmp_path / "file").folder("logs")
    assert refused.value.data["path"] == tmp_path / "file" / "logs" and refused.value.data["reason"]


@pytest.mark.parametrize("memory, first", [(256, "-Xms256m"), (1024, "-Xms512m")])
def test_spark_s_first_heap_is_within_its_memory(memory, first):
    """Java refuses to start with a first heap above the largest."""
    settings = Settings(driver_memory_mb=memory)
    options = jvm_options(settings, throughput=False, java=find_java(settings))
    assert options["spark.driver.memory"] == f"{memory}m" and first in options["spark.driver.extraJavaOptions"].split()


# Options


@pytest.mark.parametrize(
    "option, value",
    [
        ("top", -1),
        ("window", "0 seconds"),
        ("window", "1min"),
        ("slide", "40 seconds"),  # above the window
        ("watermark", "banana"),
        ("trigger", "-1 seconds"),
    ],
)
def test_an_invalid_option_of_the_consumer_is_refused_before_anything_starts(run_main, option, value):
    nowhere = {"STREAM_BOOTSTRAP_SERVERS": "localhost:1"}  # with a valid option the error is that no broker answers
    run = run_main("consumer", f"--{option}={value}", environment=nowhere)
    assert run.returncode == 1 and type(run.error) is SettingError and run.error.remedy
    assert run.error.data == {"option": option, "value": value}


# Java


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Settings of a machine without Java: PATH is an empty folder."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    return Settings(build_dir=tmp_path / "build")


@pytest.fixture
def java_that_says(tmp_path):
    """Make a folder with a bin/java that prints a text."""

    def make(text: str, name: str = "java") -> Path:
        java = tmp_path / name / "bin" / "java"
        java.parent.mkdir(parents=True)
        java.write_text(f"#!/bin/sh\necho '{text}' >&2\n")
        java.chmod(0o755)
        return tmp_path / name

    return make


def refused(settings: Settings) -> dict:
    """The data of the error that no usable Java is found."""
    with pytest.raises(JavaError) as error:
        find_java(settings)
    assert error.value.remedy
    return error.value.data


@pytest.mark.parametrize(
    "said, found",
    [('openjdk version "11.0.2"', 11), ('java version "1.8.0_292"', 8), ('openjdk version "18"', 18), ("?", None)],
)
def test_another_java_is_refused(here, java_that_says, monkeypatch, said, found):
    monkeypatch.setenv("JAVA_HOME", str(home := java_that_says(said)))
    assert refused(here) == {"version": found, "java": str(home / "bin" / "java")}


@pytest.mark.parametrize("number", [17, 21, 25])
def test_a_supported_java_is_used(here, run_main, java_that_says, number):
    home = java_that_says(f'openjdk version "{number}.0.1"')
    run = run_main("infra.java", environment={"JAVA_HOME": home})
    assert run.returncode == 0 and run.stdout == f"Java {number}: {home / 'bin' / 'java'}\n"


def test_a_java_home_that_leads_nowhere_is_refused(here, java_that_says, monkeypatch):
    monkeypatch.setenv("PATH", str(java_that_says('openjdk version "17"') / "bin"))
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    assert refused(here) == {"home": "/nowhere"}, "not silently another one"


def test_no_java(here, run_main):
    assert refused(here) == {"home": None}
    run = run_main("infra.java", environment={"STREAM_BUILD_DIR": here.build_dir})
    assert run.returncode == 1 and type(run.error) is JavaError


def test_java_on_path_is_found_without_java_home(here, java_that_says, monkeypatch):
    home = java_that_says('openjdk version "21.0.1"')
    monkeypatch.setenv("PATH", f"{home / 'bin'}{os.pathsep}/usr/bin")
    assert find_java(here) == home / "bin" / "java"


def test_links_to_java_are_followed(here, java_that_says, tmp_path, monkeypatch):
    home, link = java_that_says('openjdk version "17.0.1"'), tmp_path / "usr" / "bin" / "java"
    link.parent.mkdir(parents=True)
    link.symlink_to(home / "bin" / "java")
    monkeypatch.setenv("PATH", str(link.parent))
    assert java_home(here) == home.resolve()


def test_a_downloaded_java_is_used_first_and_forgotten_when_it_is_gone(here, java_that_says, monkeypatch):
    downloaded, own = java_that_says('openjdk version "17"', "jdk"), java_that_says('openjdk version "21"', "own")
    monkeypatch.setenv("JAVA_HOME", str(own))
    monkeypatch.setattr("cjdk.java_home", lambda vendor, version: downloaded)
    assert fetch_java(here) == downloaded
    assert find_java(here) == downloaded / "bin" / "java"
    shutil.rmtree(downloaded)
    assert find_java(here) == own / "bin" / "java"


def test_a_download_of_java_that_fails(here, monkeypatch):
    def fail(**_):
        raise OSError("no network")

    monkeypatch.setattr("cjdk.java_home", fail)
    with pytest.raises(JavaError):
        fetch_java(here)
    assert not (here.build_dir / "java-home").exists()


def test_the_java_of_a_conda_environment_is_found_where_it_is_not_active(here, java_that_says, monkeypatch):
    home = java_that_says('openjdk version "17.0.1"')
    monkeypatch.setattr(sys, "prefix", str(home))
    assert find_java(here) == home / "bin" / "java"


# Errors, and the name of the package


def test_an_error_is_a_few_lines_in_a_notebook():
    """IPython calls this method of an exception instead of printing a traceback."""
    error = CourseError("what", "remedy", number=1)
    assert error._render_traceback_() == ["CourseError: what\n  What to do: remedy"] and error.data == {"number": 1}


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
