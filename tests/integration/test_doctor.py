"""The doctor beside a real broker; what needs none is in tests/unit/test_doctor.py."""

import os
from dataclasses import replace

import pytest

from lib import doctor
from lib.infra import embedded
from lib.settings import Settings
from lib.topics import Cluster, Record
from lib.wait import wait_until
from tests.conftest import free_port


def test_a_healthy_machine_with_a_broker_is_left_as_it_was(cluster, settings, run_module):
    before = cluster.names(), sorted(settings.build_dir.glob("broker/*.json"))
    run = run_module("doctor")
    assert run.returncode == 0 and run.stderr == "" and "\x1b" not in run.stdout
    marks = {line[2:12].strip(): line[0] for line in run.stdout.splitlines()[:-1] if line[0] != " "}
    assert list(marks) == ["Python", "settings", *doctor.CHECKS] and "✘" not in marks.values()
    for check in ("Python", "settings", "packages", "Java", "jars", "memory", "disk", "port", "broker", "round trip"):
        assert marks[check] == "✔", run.stdout
    assert run.stdout.splitlines()[-1].startswith("all 15 checks passed")
    assert (cluster.names(), sorted(settings.build_dir.glob("broker/*.json"))) == before


def test_a_broker_that_sends_clients_where_they_cannot_go(settings, tmp_path, monkeypatch):
    own = replace(settings, bootstrap_servers=f"localhost:{free_port()}", build_dir=tmp_path)
    plain, elsewhere = embedded.server_properties, "kafka.invalid:9092"
    listener = "advertised.listeners=PLAINTEXT://"
    changed = lambda *arguments: plain(*arguments).replace(listener + own.bootstrap_servers, listener + elsewhere)  # noqa: E731
    monkeypatch.setattr(embedded, "server_properties", changed)
    pid = embedded.start(own, tmp_path)
    try:
        with Cluster(own.bootstrap_servers) as cluster:
            wait_until(cluster.advertised, seconds=60, every=0.5)
        checks = {name: doctor.CHECKS[name] for name in ("port", "broker", "round trip")}
        found = dict(doctor.examine(own, checks))
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert [finding.level for finding in found.values()] == ["good", "missing", "missing"], found
    assert elsewhere in found["broker"].text and own.bootstrap_servers in found["broker"].remedy


@pytest.mark.parametrize("read", [[], [Record(0, 0, 0, None, b"!")]], ids=["nothing", "another"])
def test_a_message_that_is_not_read_again(cluster, settings: Settings, monkeypatch, read):
    """No real broker does this: what is read from it is replaced."""
    before = cluster.names()
    assert doctor.CHECKS["round trip"](settings).level == "good"
    monkeypatch.setattr(Cluster, "read", lambda self, topic: read)
    found = doctor.CHECKS["round trip"](settings)
    assert found.level == "missing" and found.remedy
    assert cluster.names() == before
