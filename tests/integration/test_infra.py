"""The broker's life, each in a folder and at a port of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lib import infra, topics
from lib.settings import settings
from lib.wait import wait_until
from tests.conftest import free_port, gone


@pytest.fixture
def elsewhere(tmp_path):
    """The environment of a broker apart from the session's; nothing of it is left running."""
    environment = {"STREAM_BUILD_DIR": str(tmp_path), "STREAM_BOOTSTRAP_SERVERS": f"localhost:{free_port()}"}
    yield environment
    command = [sys.executable, "-m", "lib.infra", "down"]
    subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)


def pid_of(environment: dict) -> int:
    return json.loads((Path(environment["STREAM_BUILD_DIR"]) / "broker" / "state.json").read_text())["pid"]


def test_a_broker_attaches_whoever_comes_second(broker):
    again = infra.up()
    assert not again.started and again.pid == broker.pid
    assert "was up already" in str(again)
    answered, sentence = infra.status()
    assert answered and str(broker.pid) in sentence


def test_nothing_listens_outside_loopback(broker):
    ports = [c.laddr for c in psutil.Process(broker.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert settings.port in [address.port for address in ports]
    assert {address.ip.removeprefix("::ffff:") for address in ports} == {"127.0.0.1"}


def test_two_at_once_give_one_broker_which_outlives_a_kill(run_module, elsewhere):
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: run_module("infra", "up", environment=elsewhere), range(2)))
    assert [run.returncode for run in runs] == [0, 0], runs
    assert sorted("started in" in run.stdout for run in runs) == [False, True]
    assert run_module("infra", "status", environment=elsewhere).returncode == 0

    run_module("topics", "create", "kept", environment=elsewhere)
    run_module("producer", "--topic", "kept", "--count", 100, "--rate", 0, environment=elsewhere)
    first = pid_of(elsewhere)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: gone(first), seconds=10)
    assert run_module("infra", "status", environment=elsewhere).returncode == 1

    assert "started in" in run_module("infra", "up", environment=elsewhere).stdout
    assert pid_of(elsewhere) != first
    assert "100 message(s)" in run_module("topics", "describe", "kept", environment=elsewhere).stdout

    other_port = elsewhere | {"STREAM_BOOTSTRAP_SERVERS": f"localhost:{free_port()}"}
    refused = run_module("infra", "up", environment=other_port)
    assert refused.returncode == 1 and "our broker runs at" in refused.stderr and "make down" in refused.stderr

    assert "broker stopped" in run_module("infra", "down", environment=elsewhere).stdout
    assert "no broker of ours" in run_module("infra", "down", environment=elsewhere).stdout
    assert "its data is removed" in run_module("infra", "down", "--volumes", environment=elsewhere).stdout
    assert not (Path(elsewhere["STREAM_BUILD_DIR"]) / "broker" / "data").exists()


def test_an_attached_broker_is_never_stopped(broker, run_module, tmp_path):
    from_elsewhere = {"STREAM_BUILD_DIR": str(tmp_path)}
    assert "not ours" in run_module("infra", "up", environment=from_elsewhere).stdout
    assert "was not started here and stays" in run_module("infra", "down", environment=from_elsewhere).stdout
    assert topics.answers()


def test_a_taken_port_is_said_with_its_owner(run_module, elsewhere):
    with socket.create_server(("127.0.0.1", int(elsewhere["STREAM_BOOTSTRAP_SERVERS"].split(":")[1]))):
        run = run_module("infra", "up", environment=elsewhere)
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert f"process {os.getpid()}" in run.stderr and "STREAM_BOOTSTRAP_SERVERS=localhost:" in run.stderr


def test_a_stale_state_file_is_cleaned(run_module, elsewhere):
    folder = Path(elsewhere["STREAM_BUILD_DIR"]) / "broker"
    folder.mkdir()
    ours = psutil.Process()
    state = {"pid": ours.pid, "bootstrap_servers": "localhost:1"}
    for text in (json.dumps(state), "{", "[]"):
        (folder / "state.json").write_text(text)
        assert "no broker of ours" in run_module("infra", "down", environment=elsewhere).stdout
        assert not (folder / "state.json").exists()
    assert psutil.pid_exists(ours.pid), "the process that now has the number is not touched"


def test_the_build_folder_may_have_any_name(run_module, elsewhere, tmp_path):
    """A comma in a path is two paths for Kafka, and its data would land beside the folder."""
    mine = elsewhere | {"STREAM_BUILD_DIR": str(tmp_path / "mi carpeta ñ, dos")}
    try:
        assert "started in" in run_module("infra", "up", environment=mine, cwd=tmp_path).stdout
        assert [path.name for path in tmp_path.iterdir()] == ["mi carpeta ñ, dos"]
        assert (tmp_path / "mi carpeta ñ, dos" / "broker" / "data" / "meta.properties").exists()
    finally:
        assert "broker stopped" in run_module("infra", "down", environment=mine).stdout


def test_external_never_starts_one(run_module, elsewhere):
    run = run_module("infra", "up", "--mode", "external", environment=elsewhere | {"STREAM_ANSWER_SECONDS": "1"})
    assert run.returncode == 1 and "no broker answers" in run.stderr and "What to do" in run.stderr


def test_a_broker_elsewhere_cannot_be_embedded(run_module, elsewhere):
    run = run_module("infra", "up", environment=elsewhere | {"STREAM_BOOTSTRAP_SERVERS": "kafka.invalid:9092"})
    assert run.returncode == 1 and "runs on this machine only" in run.stderr


def test_a_broker_that_dies_at_its_start_is_said_with_its_log(run_module, elsewhere):
    run = run_module("infra", "up", environment=elsewhere | {"STREAM_BROKER_HEAP_MB": "1"})
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "What to do" in run.stderr
