"""Helpers of the tests that need a broker."""

import json
import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import free_port


def by_key(messages) -> dict[bytes, list[bytes]]:
    """{key: values in order} of messages or records."""
    grouped = defaultdict(list)
    for message in messages:
        grouped[message.key].append(message.value)
    return grouped


@pytest.fixture
def elsewhere(tmp_path):
    """The environment of a broker at another port and in another folder, which is stopped at the end.

    `Settings.from_environment(elsewhere)` are its settings.
    """
    from lib import infra
    from lib.settings import Settings

    environment = {"STREAM_BUILD_DIR": str(tmp_path), "STREAM_BOOTSTRAP_SERVERS": f"localhost:{free_port()}"}
    yield environment
    infra.down(Settings.from_environment(os.environ | environment))


MISCHIEF = {"late": 0.01, "duplicates": 0.02, "malformed": 0.01}
FLAGS = [text for name, value in MISCHIEF.items() for text in (f"--{name}", value)]
AT_ONCE, NOW = {"processingTime": "0 seconds"}, {"availableNow": True}


@pytest.fixture
def question():
    """The query that the tests of the consumer run: windows of 30 s every 5 s, a watermark 30 s behind."""
    from lib.query import TrendQuery

    return TrendQuery("30 seconds", "5 seconds", "30 seconds")


@pytest.fixture
def send(settings, topic):
    """Send values, every second one with a key, and wait until they are acknowledged; options as KafkaProducer.send."""
    from kafka import KafkaProducer

    def send(values, **options) -> None:
        with KafkaProducer(bootstrap_servers=settings.bootstrap_servers, max_request_size=4_000_000) as client:
            for number, value in enumerate(values):
                client.send(topic, value, b"key" if number % 2 or value is None else None, **options)
            client.flush()

    return send


@pytest.fixture
def fill(topic, run_main):
    """Send tweets as fast as possible: `fill(1000, "--seed", 3)`."""

    def fill(count: int, *options) -> None:
        run = run_main("producer", "--topic", topic, "--count", count, "--rate", 0, *options)
        assert run.returncode == 0, run.stderr

    return fill


@pytest.fixture
def start(spark, cluster, topic, question, tmp_path):
    """Start a consumer on the test's topic, into tmp_path/out, and end it with the test."""
    from lib import consumer

    started = []

    def start(output=tmp_path / "out", starting="earliest", query=question, at_most=200_000, **options):
        options = {"trigger": AT_ONCE} | options
        messages = consumer.read_topic(spark, cluster, topic, starting, at_most)
        started.append(consumer.start(messages, query, output, cluster, topic, **options))
        return started[-1]

    yield start
    for each in started:
        if each.active:
            each.end()


@pytest.fixture
def judge(cluster, topic, question, tmp_path):
    """The recount of what the test's consumer has counted, after it was found equal to its store."""
    from tests.judge import judge

    return lambda place=tmp_path / "out" / "trends.db": judge(cluster, topic, question, place)


@pytest.fixture
def count(cluster, topic, send, start, judge):
    """Send each list of messages as a micro-batch of its own; the totals, after the recount has confirmed them."""

    def count(*batches: list[bytes], **options) -> dict[str, int]:
        running = start()
        for values in batches:
            send(values, **options)
            running.wait_for(cluster.offsets(topic), seconds=60)
        running.stop()
        return judge().totals()

    return count


@pytest.fixture
def transaction(settings, topic):
    """Send values with the key "key" in a transaction, and commit or abort it."""
    from kafka import KafkaProducer

    def transaction(values, commit: bool) -> None:
        with KafkaProducer(bootstrap_servers=settings.bootstrap_servers, transactional_id="test") as client:
            client.init_transactions()
            client.begin_transaction()
            for value in values:
                client.send(topic, value, b"key")
            client.flush()  # abort_transaction() forgets what has not been sent yet
            client.commit_transaction() if commit else client.abort_transaction()

    return transaction


DEVANAGARI = "#हिन्दी #தமிழ் #x"


def tweet(name: str, ahead_seconds: float = 0, text: str = "#x", at: datetime | None = None) -> bytes:
    """A tweet dated so many seconds after `at` (default: now)."""
    created = (at or datetime.now(UTC)) + timedelta(seconds=ahead_seconds)
    shown = created.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"id": name, "user": "u", "text": text, "created_at": shown}, ensure_ascii=False).encode()


def honest(number: int) -> list[bytes]:
    """A hundred tweets dated 2 seconds ago."""
    return [tweet(f"honest-{number}-{n}", -2) for n in range(100)]
