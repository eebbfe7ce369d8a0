"""The tester, whose output is compared to the letter."""

import os
import socket
import subprocess
import sys
import time
from fnmatch import fnmatch

import pytest

from lib.producer import start_producer
from lib.settings import ROOT
from lib.wait import wait_until
from tests import tester

MESSAGES = [f"{{'usuario': 'User_{n}', 'mensaje': 'Hola Kafka', 'contador': {n}}}" for n in range(1, 6)]


def expected(topic: str, servers: str) -> list[str]:
    return [
        f">>> 1. INICIANDO PRODUCTOR (Enviando mensajes a {servers})...",
        *(f" [✔] Enviado: {message}" for message in MESSAGES),
        f">>> 2. INICIANDO CONSUMIDOR (Leyendo de {topic})...",
        *(f" [✔] Recibido: {message}" for message in MESSAGES),
        ">>> Consumidor finalizado con éxito. ¡TODO FUNCIONA!",
    ]


@pytest.fixture
def run_tester(capsys, monkeypatch):
    """Run the tester in this process, with changes of its environment: (exit code, lines of output, of errors)."""

    def run(**environment) -> tuple[int, list[str], list[str]]:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            code = tester.main()
        output = capsys.readouterr()
        return code, output.out.splitlines(), output.err.splitlines()

    return run


def test_it_finds_its_messages_among_other_tweets_twice_in_a_row(settings, cluster, topic, run_tester):
    with start_producer(settings, topic, rate=2000):
        wait_until(lambda: sum(cluster.offsets(topic).values()) > 5000, seconds=30)
        for _ in range(2):
            assert run_tester(STREAM_TOPIC=topic) == (0, expected(topic, settings.bootstrap_servers), [])


def test_as_a_command_it_creates_the_topic_and_needs_no_terminal_with_unicode(settings, cluster):
    cluster.delete("tester-alone")
    command = [sys.executable, ROOT / "tests" / "tester.py"]
    environment = os.environ | {"STREAM_TOPIC": "tester-alone", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    try:
        run = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=30)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.splitlines() == expected("tester-alone", settings.bootstrap_servers)
        assert sum(cluster.offsets("tester-alone").values()) == 5
    finally:
        cluster.delete("tester-alone")


def test_it_reads_only_what_is_new(settings, cluster, topic, run_tester):
    """The topic already holds messages that look like its own."""
    run_tester(STREAM_TOPIC=topic)
    before = cluster.offsets(topic)
    assert run_tester(STREAM_TOPIC=topic)[1] == expected(topic, settings.bootstrap_servers)
    new = list(cluster.read(topic, start=before))
    assert len(new) == 5 and {record.partition for record in new} == {0}, "in one partition, where order is kept"


@pytest.mark.parametrize("address", ["localhost:1", "no-such-host.invalid:9092"])
def test_without_a_broker_one_spanish_line_within_ten_seconds(address):
    began = time.monotonic()
    command = [sys.executable, ROOT / "tests" / "tester.py"]
    environment = os.environ | {"STREAM_BOOTSTRAP_SERVERS": address}
    run = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=30)
    assert time.monotonic() - began < 10
    assert run.returncode == 1 and run.stdout == ""
    [line] = run.stderr.splitlines()
    assert line.startswith(f"ERROR: ningún broker de Kafka funciona en {address} (") and "Arránquelo: make up" in line


def test_something_that_is_not_a_broker_does_not_delay_it(run_tester):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        code, output, errors = run_tester(STREAM_BOOTSTRAP_SERVERS=f"localhost:{mute.getsockname()[1]}")
    assert time.monotonic() - began < 10 and (code, output, len(errors)) == (1, [], 1)


def test_pytest_does_not_collect_it(pytestconfig):
    patterns = pytestconfig.getini("python_files")
    assert not any(fnmatch("tester.py", pattern) for pattern in patterns)
