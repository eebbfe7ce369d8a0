"""Starting and stopping a broker where none needs to run."""

import json
import subprocess
import sys

import pytest

from lib import infra
from lib.errors import BrokerError
from lib.infra.state import State
from lib.settings import Settings

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
