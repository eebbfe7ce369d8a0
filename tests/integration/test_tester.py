"""The tester, whose output is fixed to the letter."""

import os
import socket
import subprocess
import sys
import time
from fnmatch import fnmatch

import pytest

from lib import topics
from lib.producer import start_producer
from lib.settings import ROOT, settings
from lib.wait import wait_until

MESSAGES = [f"{{'usuario': 'User_{n}', 'mensaje': 'Hola Kafka', 'contador': {n}}}" for n in range(1, 6)]


def expected(topic: str, servers: str = settings.bootstrap_servers) -> list[str]:
    return [
        f">>> 1. INICIANDO PRODUCTOR (Enviando mensajes a {servers})...",
        *(f" [✔] Enviado: {message}" for message in MESSAGES),
        f">>> 2. INICIANDO CONSUMIDOR (Leyendo de {topic})...",
        *(f" [✔] Recibido: {message}" for message in MESSAGES),
        ">>> Consumidor finalizado con éxito. ¡TODO FUNCIONA!",
    ]


def run_tester(**environment) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "tests" / "tester.py"]
    env = os.environ | environment
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=env, timeout=30)


def test_it_finds_its_own_among_other_peoples_tweets_twice_in_a_row(topic):
    producer = start_producer(topic, rate=2000)
    try:
        wait_until(lambda: sum(topics.offsets(topic).values()) > 5000, seconds=30)
        for _ in range(2):
            run = run_tester(STREAM_TOPIC=topic)
            assert (run.returncode, run.stderr) == (0, "")
            assert run.stdout.splitlines() == expected(topic)
    finally:
        producer.stop()


def test_it_makes_the_topic_and_a_terminal_without_unicode_does_not_stop_it(broker):
    topics.delete("tester-alone")
    try:
        run = run_tester(STREAM_TOPIC="tester-alone", PYTHONIOENCODING="ascii", LC_ALL="C")
        assert run.stdout.splitlines() == expected("tester-alone")
        assert sum(topics.offsets("tester-alone").values()) == 5
    finally:
        topics.delete("tester-alone")


def test_it_reads_from_the_end_on(topic, run_module):
    """Not by a sieve over all that the topic holds: messages are there that would look like its own."""
    run_tester(STREAM_TOPIC=topic)
    before = topics.offsets(topic)
    assert run_tester(STREAM_TOPIC=topic).stdout.splitlines() == expected(topic)
    new = list(topics.read(topic, start=before))
    assert len(new) == 5 and {record.partition for record in new} == {0}, "in one partition, where order is kept"


@pytest.mark.parametrize("address", ["localhost:1", "no-such-host.invalid:9092"])
def test_without_a_broker_one_spanish_line_within_ten_seconds(address):
    began = time.monotonic()
    run = run_tester(STREAM_BOOTSTRAP_SERVERS=address)
    assert time.monotonic() - began < 10
    assert run.returncode == 1 and run.stdout == ""
    [line] = run.stderr.splitlines()
    assert line.startswith(f"ERROR: ningún broker de Kafka funciona en {address} (") and "Arránquelo: make up" in line


def test_something_that_is_not_a_broker_does_not_hold_it_up():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        run = run_tester(STREAM_BOOTSTRAP_SERVERS=f"localhost:{mute.getsockname()[1]}")
    assert time.monotonic() - began < 10 and run.returncode == 1 and len(run.stderr.splitlines()) == 1


def test_pytest_does_not_take_it_for_a_test(pytestconfig):
    patterns = pytestconfig.getini("python_files")
    assert not any(fnmatch("tester.py", pattern) for pattern in patterns)
