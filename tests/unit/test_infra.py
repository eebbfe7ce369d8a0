"""Starting and stopping a broker where none needs to run."""

import json
import socket
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import psutil
import pytest

from lib import infra
from lib.errors import BrokerError, SettingError
from lib.infra import process
from lib.infra.archive import kind_for
from lib.infra.embedded import common_properties
from lib.infra.ports import free_port
from lib.infra.replicated import chosen_ports
from lib.infra.state import Node, Started, State
from lib.settings import Settings
from lib.wait import wait_until

NOWHERE = "localhost:1"


@pytest.fixture
def here(tmp_path):
    """Settings of a broker that does not answer."""
    return Settings(bootstrap_servers=NOWHERE, build_dir=tmp_path, answer_seconds=0.5)


def test_status_where_nothing_answers(run_main):
    run = run_main("infra", "status", environment={"STREAM_BOOTSTRAP_SERVERS": NOWHERE})
    assert run.returncode == 1 and run.error is None and NOWHERE in run.stdout


def test_external_never_starts_one(run_main, here):
    settings = {"STREAM_BOOTSTRAP_SERVERS": NOWHERE, "STREAM_ANSWER_SECONDS": 0.5, "STREAM_BUILD_DIR": here.build_dir}
    run = run_main("infra", "up", "--mode", "external", environment=settings)
    assert run.returncode == 1 and type(run.error) is BrokerError and run.error.data == {"address": NOWHERE}
    assert State(here).read() is None


def test_a_broker_elsewhere_cannot_be_embedded(tmp_path):
    with pytest.raises(BrokerError) as refused:
        infra.up(Settings(bootstrap_servers="kafka.invalid:9092", build_dir=tmp_path))
    assert refused.value.data == {"address": "kafka.invalid:9092"}


def test_volumes_goes_with_down(run_main):
    run = run_main("infra", "status", "--volumes")
    assert run.returncode == 2 and "--volumes" in run.stderr


@pytest.mark.parametrize("text", [None, "{", "[]", '{"pid": 1}'])
def test_a_stale_state_file_is_removed(here, text):
    """Process ids are used again: the process that now has the number is not touched."""
    another = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    record = {"pid": another.pid, "bootstrap_servers": NOWHERE}
    path = here.folder("broker") / "state.json"
    path.write_text(text or json.dumps(record))
    infra.down(here)
    assert not path.exists() and another.poll() is None
    another.communicate(b"\n", timeout=10)
    assert another.returncode == 0


def test_brokers_goes_with_embedded(run_main):
    run = run_main("infra", "up", "--mode", "docker", "--brokers", 3)
    assert run.returncode == 2 and "--brokers" in run.stderr


def test_less_than_one_broker_is_refused(run_main):
    run = run_main("infra", "up", "--brokers", 0)
    assert type(run.error) is SettingError and run.error.data == {"option": "brokers", "value": 0}


def test_the_ports_of_several_brokers():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(BrokerError) as refused:
            next(islice(chosen_ports(Settings(f"localhost:{port}", brokers=3)), 1, None))
        assert refused.value.data["port"] == port
        _, first, second, third = islice(chosen_ports(Settings(f"localhost:{port - 1}", brokers=3)), 4)
        assert first == port - 1 and second not in (port, port - 1) and third not in (port, port - 1, second)
    listed = Settings("localhost:1001,localhost:1005", brokers=3)
    assert list(islice(chosen_ports(listed), 1, 4)) == [1001, 1005, 1006], "those of the list, and the next one"


def test_two_of_three_replicas_must_be_in_sync_and_of_one_the_one():
    for brokers, replicas, enough in ((1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 3, 2)):
        found = common_properties(Settings(brokers=brokers))
        assert found["offsets.topic.replication.factor"] == found.get("default.replication.factor", 1) == replicas
        assert found["transaction.state.log.min.isr"] == found.get("min.insync.replicas", 1) == enough


def test_what_was_started_can_be_read_again(here):
    started = Started(None, "localhost:1,localhost:2", nodes=(Node(100, 3, 30), Node(1, 1, 10), Node(2, 2)))
    here.folder("broker")
    State(here).write(started)
    assert State(here).read() == started


def test_a_process_whose_exit_code_nobody_collects_has_ended():
    """Such as an orphan in a container without an init process."""
    child = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'input()']).pid, flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", child], stdin=-1, stdout=-1, text=True) as parent:
        grandchild = psutil.Process(int(parent.stdout.readline()))
        began = time.monotonic()
        process.end(grandchild)
        assert time.monotonic() - began < process.STOP_SECONDS
        assert grandchild.status() == psutil.STATUS_ZOMBIE
        assert process.find(grandchild.pid, Path(sys.executable)) is None
        parent.kill()


def test_a_child_that_ends_while_it_is_looked_at_is_not_left_as_a_zombie():
    class Ends(psutil.Process):
        def status(self):
            self.kill()
            wait_until(lambda: super(Ends, self).status() == psutil.STATUS_ZOMBIE, seconds=30)
            return psutil.STATUS_ZOMBIE

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as child:
        assert not process.alive(Ends(child.pid)) and not psutil.pid_exists(child.pid)


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux lists such a process as a zombie")
def test_a_process_whose_first_thread_alone_has_ended_still_runs():
    """As a killed broker for some milliseconds: its sockets are closed only when its last thread ends."""
    program = (
        "import ctypes, threading, time; threading.Thread(target=time.sleep, args=[600]).start();"
        "ctypes.CDLL(None).pthread_exit(0)"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as child:
        found = psutil.Process(child.pid)
        try:
            wait_until(lambda: found.status() == psutil.STATUS_ZOMBIE, seconds=30)
            assert process.alive(found)
            process.end(found)
            assert not process.alive(found) and not psutil.pid_exists(child.pid)
        finally:
            child.kill()


@pytest.mark.parametrize(
    ("release", "suffix"),
    [('IMPLEMENTOR="x"\nJAVA_VERSION="17.0.15"', ".jsa"), ('JAVA_VERSION="25"\n', ".aot"), (None, ".jsa")],
)
def test_java_25_makes_an_aot_cache(tmp_path, release, suffix):
    if release:
        (tmp_path / "release").write_text(release)
    assert kind_for(tmp_path / "bin" / "java").suffix == suffix
