"""Shared fixtures: one broker at a port and in a folder of its own, and one Spark session. The user's are not touched.

Everything is read from the environment that `pytest_configure` sets, so that this process and the programs that it
starts agree. Each worker of pytest-xdist has its own folder, broker and Spark.
"""

import contextlib
import importlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lib.infra.ports import free_port
from tests import processes
from tests.processes import gone

__all__ = ["free_port", "gone"]  # tests take them from here

FOLDER = Path(tempfile.mkdtemp(prefix="arqesp-tests-"))
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def left_behind() -> list[str]:
    """The command lines of processes that this test run started and left; its broker left out."""
    return [line for line in processes.left_behind(FOLDER) if "kafka.Kafka" not in line]


def pytest_addoption(parser) -> None:
    parser.addoption("--crashes", type=int, default=4, help="how often the consumer is killed and started again")


def pytest_configure() -> None:
    for name in [name for name in os.environ if name.startswith("STREAM_")]:
        del os.environ[name]
    os.environ["STREAM_BUILD_DIR"] = str(FOLDER)
    os.environ["STREAM_BOOTSTRAP_SERVERS"] = f"localhost:{free_port()}"
    # A CI's time limit ends the tests by SIGTERM: they clean up then, too.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", returncode=128 + signal.SIGTERM))


def pytest_unconfigure() -> None:
    """Remove what the tests wrote, after the broker whose state is there, whoever started it."""
    if (FOLDER / "broker" / "state.json").exists():
        from lib import infra
        from lib.settings import Settings

        infra.down(Settings.from_environment())
    shutil.rmtree(FOLDER, ignore_errors=True)


def pytest_collection_modifyitems(items) -> None:
    """Skip tests marked `docker` where no engine answers, with what Docker says as the reason."""
    marked = [item for item in items if item.get_closest_marker("docker")]
    if not marked:
        return
    from lib.errors import DockerError
    from lib.infra import docker

    try:
        docker.engine()
    except DockerError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=error.what))


@pytest.fixture(scope="session")
def settings():
    from lib.settings import Settings

    return Settings.from_environment()


@pytest.fixture(scope="session")
def broker(settings):
    """A running broker; tests that need one of their own start it with other settings."""
    from lib import infra

    yield infra.up(settings)
    infra.down(settings)


@pytest.fixture(scope="session")
def cluster(broker, settings):
    from lib.topics import Cluster

    with Cluster(settings.bootstrap_servers) as opened:
        yield opened


@pytest.fixture
def topic(cluster, request):
    """A new topic of two partitions with the test's name, deleted afterwards."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
    cluster.delete(name)
    cluster.create(name, partitions=2)
    cluster.alter(name, "retention.ms", "-1")  # tests also send messages with old timestamps
    yield name
    cluster.delete(name)


@pytest.fixture(scope="session")
def one_spark(settings):
    """Stops the session that the tests share, whichever of them started it."""
    yield
    from lib.spark_session import spark_session, stop

    stop(spark_session(settings, "tests"))


@pytest.fixture
def spark(settings, one_spark):
    """The Spark session that all tests share, a new one after a test that killed it; no query is left in it."""
    from lib.spark_session import died, spark_session

    yield spark_session(settings, "tests")
    for query in [] if died() else spark_session(settings, "tests").streams.active:
        query.stop()


@pytest.fixture(scope="session")
def postgresql_server():
    """A PostgreSQL server, which the tests share; skipped where PostgreSQL is not installed."""
    from tests import postgresql

    if not postgresql.programs():
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    server = postgresql.Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgresql(postgresql_server):
    """The running server with a new database `trends`, whose URL is `postgresql.url("trends")`."""
    postgresql_server.sql("CREATE DATABASE trends")
    yield postgresql_server
    postgresql_server.sql("DROP DATABASE trends WITH (FORCE)")


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def place(request, tmp_path):
    """Where a store is: the path of a file, and the URL of a database."""
    if request.param == "SQLite":
        return tmp_path / "out" / "trends.db"
    return request.getfixturevalue("postgresql").url("trends")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 40 MB, which only root may mount; root ignores file permissions, so there is no other way."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


class Run(subprocess.CompletedProcess):
    """A command that has ended: `returncode`, `stdout`, `stderr`, and `error`, the CourseError that ended it."""

    error = None


@pytest.fixture
def run_main(monkeypatch):
    """Run `python -m lib.NAME ARGUMENTS…` in this process, which saves a start of Python.

    `environment` changes variables for it; None removes one.
    """

    def run(name: str, *arguments, environment: dict | None = None) -> Run:
        from lib import errors

        module = importlib.import_module(f"lib.{name}")
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"lib.{name}.__main__")
        before = {number: signal.getsignal(number) for number in SIGNALS}
        done = Run(["python", "-m", f"lib.{name}", *map(str, arguments)], 0)
        out, err = Stream(), Stream()

        def main() -> int | None:
            try:
                return module.main([*map(str, arguments)])
            except errors.CourseError as error:
                done.error = error
                raise

        with monkeypatch.context() as patch:
            for key, value in (environment or {}).items():
                patch.setenv(key, str(value)) if value is not None else patch.delenv(key, raising=False)
            try:
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    errors.run(main)
            except SystemExit as ended:
                done.returncode = ended.code or 0
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)
        done.stdout, done.stderr = out.text(), err.text()
        return done

    return run


class Stream(io.TextIOWrapper):
    """A text stream in memory that has a buffer, as sys.stdout has."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def text(self) -> str:
        return self.buffer.getvalue().decode()


def command_line(module: str, arguments) -> list[str]:
    return [sys.executable, "-m", f"lib.{module}", *map(str, arguments)]


@pytest.fixture
def run_module():
    """Run `python -m lib.NAME ARGUMENTS…` as a process of its own, and return it when it has ended."""

    def run(module: str, *arguments, environment: dict | None = None, timeout: float = 120, **options):
        env = {k: v for k, v in (os.environ | (environment or {})).items() if v is not None}
        command = command_line(module, arguments)
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=timeout, **options)

    return run


@pytest.fixture
def spawn():
    """Start `python -m lib.NAME ARGUMENTS…` in a session of its own; what the test leaves running is killed."""
    processes = []

    def start(module: str, *arguments, environment: dict | None = None, **options) -> subprocess.Popen:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        command = command_line(module, arguments)
        processes.append(subprocess.Popen(command, env=os.environ | (environment or {}), **options))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
