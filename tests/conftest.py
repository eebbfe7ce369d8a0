"""What the tests share: one broker at a port and in a folder of its own, and one Spark. The user's are not touched."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp(prefix="arqesp-tests-"))


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Before `lib.settings` is imported, so that this process and the programs it starts agree.
for name in [name for name in os.environ if name.startswith("STREAM_")]:
    del os.environ[name]
os.environ["STREAM_BUILD_DIR"] = str(FOLDER)
os.environ["STREAM_BOOTSTRAP_SERVERS"] = f"localhost:{free_port()}"

import psutil  # noqa: E402
import pytest  # noqa: E402

from lib import infra, topics  # noqa: E402
from lib.errors import DockerError  # noqa: E402
from lib.infra import compose as docker_stack  # noqa: E402
from lib.spark_session import spark_session  # noqa: E402


def pytest_collection_modifyitems(items):
    """Tests marked `docker` are skipped where no engine answers, with what Docker says as the reason."""
    marked = [item for item in items if item.get_closest_marker("docker")]
    try:
        if marked:
            docker_stack.engine()
    except DockerError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=error.what))


def pytest_configure():
    """A CI's time limit ends the tests by SIGTERM: they clean up then, too."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", returncode=128 + signal.SIGTERM))


def pytest_unconfigure():
    """What the tests make goes away with them, after the broker that keeps its state there, whoever started it."""
    if infra.state():
        infra.down()
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.fixture(scope="session")
def broker():
    """A running broker; tests that need one of their own start it with other settings."""
    started = infra.up()
    yield started
    infra.down()


@pytest.fixture(scope="session")
def spark():
    session = spark_session("tests")
    yield session
    session.stop()


@pytest.fixture(autouse=True)
def no_query_left(request):
    """A failed test must not leave a query running beside the next one."""
    yield
    if "spark" in request.fixturenames:
        for query in request.getfixturevalue("spark").streams.active:
            query.stop()


@pytest.fixture
def topic(broker, request):
    """A fresh topic of two partitions with the test's name, removed afterwards."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
    topics.delete(name)
    topics.create(name, partitions=2, configs={"retention.ms": "-1"})  # tests send messages of long ago too
    yield name
    topics.delete(name)


def gone(pid: int) -> bool:
    """Whether a process has ended, even where nobody collects its exit code (as in a container without an init)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


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


@pytest.fixture
def spawn():
    """Start `python -m lib.NAME ARGUMENTS…` in a session of its own; what the test leaves running is killed."""
    processes = []

    def start(module: str, *arguments, environment: dict | None = None, **options) -> subprocess.Popen:
        command = [sys.executable, "-m", f"lib.{module}", *map(str, arguments)]
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        processes.append(subprocess.Popen(command, env=os.environ | (environment or {}), **options))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def run_module():
    """Run `python -m lib.NAME ARGUMENTS…` and return the finished process, its output as text."""

    def run(module: str, *arguments, environment: dict | None = None, timeout: float = 120, **options):
        command = [sys.executable, "-m", f"lib.{module}", *map(str, arguments)]
        env = {k: v for k, v in (os.environ | (environment or {})).items() if v is not None}
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=timeout, **options)

    return run
