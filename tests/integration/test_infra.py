"""The embedded broker: start, attach, stop; each in a folder and at a port of its own."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psutil
import pytest

from lib import infra
from lib.errors import BrokerError
from lib.infra import embedded, ports
from lib.infra.state import State
from lib.settings import Settings
from lib.topics import Cluster
from lib.wait import wait_until
from tests.conftest import free_port, gone


@pytest.fixture
def own(elsewhere):
    """The settings of `elsewhere`."""
    return Settings.from_environment(elsewhere)


@pytest.fixture
def short_session(monkeypatch):
    """Let a broker start 2 s after a crash: its controller waits for the end of the last session, else 9 s."""
    plain, added = embedded.server_properties, "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n"
    monkeypatch.setattr(embedded, "server_properties", lambda *arguments: plain(*arguments) + added)


def test_up_attaches_to_the_broker_that_an_earlier_up_started(broker, settings):
    again = infra.up(settings)
    assert replace(broker, started=False, seconds=again.seconds) == again
    answered, sentence = infra.status(settings)
    assert answered and str(broker.pid) in sentence


def test_nothing_listens_outside_loopback(broker, settings):
    ports = [c.laddr for c in psutil.Process(broker.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert settings.port in [address.port for address in ports] and len(ports) == 2
    assert {address.ip.removeprefix("::ffff:") for address in ports} == {"127.0.0.1"}


def test_two_at_once_give_one_broker_whose_messages_outlive_a_kill(run_module, run_main, elsewhere, own, short_session):
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: run_module("infra", "up", environment=elsewhere), range(2)))
    assert [run.returncode for run in runs] == [0, 0], runs
    assert sorted("started in" in run.stdout for run in runs) == [False, True]
    assert run_main("infra", "status", environment=elsewhere).returncode == 0

    assert run_main("topics", "create", "kept", environment=elsewhere).returncode == 0
    run_main("producer", "--topic", "kept", "--count", 100, "--rate", 0, environment=elsewhere)
    first, data = State(own).read().pid, own.build_dir / "broker" / "data"
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: gone(first) and not ports.is_open(own.port), seconds=10)
    assert run_main("infra", "status", environment=elsewhere).returncode == 1

    second = infra.up(own)
    assert second.started and second.pid == State(own).read().pid != first
    with Cluster(own.bootstrap_servers) as cluster:
        assert sum(cluster.offsets("kept").values()) == 100

    other = run_main("infra", "up", environment=elsewhere | {"STREAM_BOOTSTRAP_SERVERS": f"localhost:{free_port()}"})
    assert other.returncode == 1 and type(other.error) is BrokerError
    assert other.error.data == {"address": own.bootstrap_servers, "mode": "embedded"}

    assert run_main("infra", "down", environment=elsewhere).returncode == 0
    assert gone(second.pid) and State(own).read() is None
    assert (data / ".kafka_cleanshutdown").exists(), "it could close its files"
    assert run_main("infra", "down", environment=elsewhere).returncode == 0, "twice"
    assert data.exists(), "the data is kept"
    assert run_main("infra", "down", "--volumes", environment=elsewhere).returncode == 0
    assert not data.exists()


def test_an_attached_broker_is_never_stopped(broker, cluster, settings, run_main, tmp_path):
    """What another folder's `up` started is external here."""
    attached = infra.up(replace(settings, build_dir=tmp_path))
    assert (attached.mode, attached.started, attached.pid) == ("external", False, None)
    for options in ([], ["--volumes"]):
        down = run_main("infra", "down", *options, environment={"STREAM_BUILD_DIR": tmp_path})
        assert down.returncode == 0 and settings.bootstrap_servers in down.stdout
        assert cluster.answers() and not gone(broker.pid) and State(settings).read().pid == broker.pid


def test_a_port_that_is_taken_is_reported_with_its_owner(own):
    own = replace(own, answer_seconds=0.2)
    with socket.create_server(("127.0.0.1", own.port)), pytest.raises(BrokerError) as taken:
        infra.up(own)
    assert taken.value.data == {"port": own.port, "owner": f"{psutil.Process().name()} (process {os.getpid()})"}
    assert State(own).read() is None


def test_the_build_folder_may_have_any_name(own, tmp_path, monkeypatch):
    """A comma in a path is two paths for Kafka, and its data would land beside the folder."""
    monkeypatch.chdir(tmp_path)
    own = replace(own, build_dir=tmp_path / "mi carpeta ñ, dos")
    try:
        assert infra.up(own).started
        assert [path.name for path in tmp_path.iterdir()] == ["mi carpeta ñ, dos"]
        assert (own.build_dir / "broker" / "data" / "meta.properties").exists()
        assert not (own.build_dir / "broker" / "mi carpeta ñ").exists()
    finally:
        infra.down(own)


@pytest.mark.parametrize("formatted", [False, True])
def test_a_broker_that_dies_at_its_start_is_reported_with_its_log(own, formatted):
    if formatted:  # so that not already the tool that prepares the folder fails
        (data := own.folder("broker") / "data").mkdir()
        (data / "meta.properties").touch()
    began = time.monotonic()
    with pytest.raises(BrokerError) as failed:
        infra.up(replace(own, broker_heap_mb=1))
    assert time.monotonic() - began < own.ready_seconds, "a broker that has ended is not waited for"
    data = failed.value.data
    if formatted:
        assert data["ended"] and "heap" in data["log"]
    else:
        assert data["folder"] == own.build_dir / "broker" and data["reason"]
    assert State(own).read() is None


def test_a_broker_that_is_not_ready_in_time_is_ended(own, monkeypatch):
    started, write = [], State.write
    monkeypatch.setattr(State, "write", lambda self, record: (started.append(record), write(self, record)))
    with pytest.raises(BrokerError) as failed:
        infra.up(replace(own, ready_seconds=0))
    assert not failed.value.data["ended"] and len(started) == 1
    assert gone(started[0].pid) and State(own).read() is None
