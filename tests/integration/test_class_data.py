"""Class-data archives: made by one command, used by both Java processes, and never needed."""

import shlex
from dataclasses import replace

import psutil
import pytest

from lib import class_data, infra
from lib.infra.archive import archive_options
from lib.infra.jars import jars
from lib.infra.java import find_java
from lib.infra.ports import free_port
from lib.spark_session import jvm_options, running_gateway


@pytest.fixture(scope="module")
def files(settings):
    """The two archives of this checkout, made if they are missing."""
    class_data.main([])
    return class_data.archives(settings)


@pytest.fixture
def own_broker(settings, tmp_path):
    """The settings of a broker of its own; it is stopped afterwards."""
    own = replace(settings, build_dir=tmp_path / "build", bootstrap_servers=f"localhost:{free_port()}")
    yield own
    infra.down(own)


def mapped(pid: int) -> set[str]:
    """The files that a process has in its memory."""
    return {part.path for part in psutil.Process(pid).memory_maps()}


def test_it_makes_only_what_is_missing(files, run_main):
    before = [file.stat().st_mtime_ns for file in files]
    done = run_main("class_data")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [file.name for file in files]
    assert [file.stat().st_mtime_ns for file in files] == before


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux tells the files that a process has in its memory")
def test_the_broker_uses_it(files, own_broker):
    assert str(files[0]) in mapped(infra.up(own_broker).pid)


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux tells the files that a process has in its memory")
def test_spark_uses_it(files, spark):
    assert str(files[1]) in mapped(running_gateway().proc.pid)


def test_an_archive_that_is_cut_off_is_not_used(files, own_broker, tmp_path):
    (tmp_path / files[0].name).write_bytes(files[0].read_bytes()[:1_000_000])
    infra.up(replace(own_broker, archive_dir=tmp_path))  # on it Java 17 would crash


def test_other_jars_get_no_archive(files, settings):
    java = find_java(settings)
    assert archive_options(settings, "broker", java, jars("broker"))
    assert not archive_options(settings, "broker", java, jars("broker")[1:])


def test_its_folder_may_have_a_space(files, settings, tmp_path):
    own = replace(settings, archive_dir=tmp_path / "my course")
    own.archive_dir.mkdir()
    (own.archive_dir / files[1].name).symlink_to(files[1])
    options = jvm_options(own, throughput=False, java=find_java(own))["spark.driver.extraJavaOptions"]
    assert f"-XX:SharedArchiveFile={own.archive_dir / files[1].name}" in shlex.split(options)


def test_java_ignores_one_that_does_not_fit_in_silence(files, own_broker, tmp_path):
    own = replace(own_broker, archive_dir=tmp_path)
    (tmp_path / files[0].name.replace(str(files[0].stat().st_size), str(files[1].stat().st_size))).symlink_to(files[1])
    infra.up(own)
    assert not (own.build_dir / "broker" / "console.log").read_text()
