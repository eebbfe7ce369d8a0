"""Broker with TLS, passwords and access rules: what works by settings alone, and what is refused, with which error."""

import json
import re
import ssl
import time
from pathlib import Path

import psutil
import pytest
from kafka import KafkaConsumer
from kafka.admin import ACL, ACLOperation, ACLPermissionType, KafkaAdminClient, ResourcePattern, ResourceType
from kafka.errors import KafkaTimeoutError, SaslAuthenticationFailedError, TopicAuthorizationFailedError
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from lib import consumer, infra
from lib.errors import AccessError, ProducerError, QueryError
from lib.infra import secured as keys
from lib.infra.state import State
from lib.producer import start_producer
from lib.security import OPEN, Security
from tests.conftest import FOLDER, gone
from tests.integration.conftest import FLAGS, NOW
from tests.judge import judge
from tests.secured import Secured

OPEN_BROKER = {"SECURITY_PROTOCOL": "PLAINTEXT", "SASL_USER": "", "SASL_PASSWORD": "", "SSL_CA_FILE": ""}
WAYS = ("password", "certificate", "host", "plaintext")
QUICK = {"kafka.default.api.timeout.ms": 8000, "kafka.request.timeout.ms": 4000, "fetchOffset.numRetries": 1}


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """The broker, and its users teacher and student."""
    broker = Secured(tmp_path_factory.mktemp("secured"))
    try:
        broker.up()
        yield broker
    finally:
        infra.down(broker.settings())


@pytest.fixture(scope="module")
def another_ca(tmp_path_factory, secured):
    """The certificate of another broker, which has the same names."""
    folder = tmp_path_factory.mktemp("another")
    keys.make_keys(secured.settings(), folder)
    return str(folder / "tls" / "ca.pem")


@pytest.fixture
def wrong(secured, another_ca):
    """Each way to connect wrongly: the variables that differ, and the words of Java's error."""
    return {
        "password": ({"SASL_PASSWORD": "wrong"}, "SaslAuthenticationException"),
        "certificate": ({"SSL_CA_FILE": another_ca}, "SslAuthenticationException|SSLHandshakeException"),
        "host": (
            {"BOOTSTRAP_SERVERS": f"127.0.0.1:{secured.port}"},
            "SslAuthenticationException|SSLHandshakeException|No subject alternative",
        ),
        "plaintext": (OPEN_BROKER, "TimeoutException"),
    }


def read(spark: SparkSession, address: str, security: Security, topic: str) -> int:
    """The number of messages that Spark reads in a topic."""
    where = {"kafka.bootstrap.servers": address, "subscribe": topic}
    return spark.read.format("kafka").options(**where | security.spark() | QUICK).load().count()


def found_in(folder: Path, text: str) -> list[Path]:
    """The files below a folder that contain the text."""
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def watch(process) -> tuple[str, str]:
    """The output of a process when it has ended with 0, and all command lines that could be seen meanwhile."""
    seen = set()
    while process.poll() is None:
        for each in psutil.process_iter(["cmdline"]):
            seen.update(each.info["cmdline"] or ())
        time.sleep(0.1)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out + err, "\n".join(seen)


def test_settings_alone_connect_producer_and_spark_and_no_password_is_seen(secured, question, spawn, tmp_path):
    environment = secured.environment()
    arguments = ["--topic", "open", "--count", 2000, "--rate", 0, *FLAGS]
    sent, seen = watch(spawn("producer", *arguments, environment=environment))
    arguments = ["--topic", "open", "--output", secured.folder / "out", "--available-now"]
    counted, seen_then = watch(spawn("consumer", *arguments, environment=environment))
    totals = json.loads(counted.splitlines()[-1])
    assert totals == {"received": 2000, "counted": 1940, "duplicates": 40, "late": 0, "malformed": 20}
    with secured.cluster() as cluster:
        assert totals == judge(cluster, "open", question, secured.folder / "out" / "trends.db").totals()
    assert "lib.consumer" in seen_then and "org.apache.spark.deploy.SparkSubmit" in seen_then
    for core in secured.cores.values():
        assert core not in sent + seen + counted + seen_then
        assert found_in(secured.folder, core) == []


def test_a_notebook_s_producer_and_consumer_use_the_settings_and_show_no_password(
    secured, spark, question, tmp_path, capfd
):
    settings, core = secured.settings(), secured.cores["teacher"]
    with start_producer(settings, "open", rate=200, count=200) as producer:
        assert core not in " ".join(psutil.Process(producer.process.pid).cmdline())
        assert producer.wait(60)["acked"] == 200
    with secured.cluster("student") as cluster:
        messages = consumer.read_topic(spark, cluster, "open", "earliest")
        with consumer.start(messages, question, tmp_path / "out", cluster, "open", trigger=NOW) as running:
            running.finish(120)
            messages.explain(extended=True)
            running.counting.explain(extended=True)
            plans = messages._jdf.queryExecution().toString()
            reports = [report.json for report in running.counting.recentProgress]
        totals = judge(cluster, "open", question, tmp_path / "out" / "trends.db").totals()
    shown = "".join(capfd.readouterr()) + plans + "".join(reports) + repr((settings, cluster, running.options))
    assert totals["received"] == sum(secured.cluster().offsets("open").values()) >= 200
    assert "kafka" in plans.lower() and "Physical Plan" in shown and "numInputRows" in shown
    for core in secured.cores.values():
        assert core not in shown and found_in(tmp_path, core) == found_in(FOLDER, core) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_connection_is_refused_with_the_client_s_error(secured, run_main, wrong, way):
    changes, _ = wrong[way]
    run = run_main("topics", "list", environment=secured.environment(**changes))
    assert run.returncode == 1 and type(run.error) is AccessError and run.error.remedy
    cause = run.error.data.get("cause")
    if way == "password":
        assert type(cause) is SaslAuthenticationFailedError and run.error.data["user"] == "teacher"
    elif way == "plaintext":
        assert cause is None and run.error.data["protocol"] == "PLAINTEXT"
    else:
        assert type(cause) is ssl.SSLCertVerificationError
        assert cause.verify_code in {"host": (62, 64), "certificate": (18, 19, 20)}[way]
    assert not any(core in run.stdout + run.stderr for core in secured.cores.values())


@pytest.mark.parametrize("way", WAYS)
def test_kafka_python_itself_cannot_connect(secured, wrong, way):
    settings = secured.settings(**wrong[way][0])
    with pytest.raises(KafkaTimeoutError):
        KafkaConsumer(
            bootstrap_servers=settings.bootstrap_servers, bootstrap_timeout_ms=2000, **settings.security.client()
        )


def test_a_broker_without_this_mechanism_is_told(secured, monkeypatch):
    monkeypatch.setattr("lib.topics.refusal.MECHANISM", "PLAIN")
    with secured.cluster() as cluster, pytest.raises(AccessError) as refused:
        cluster.names()
    assert type(refused.value.data["cause"]) is SaslAuthenticationFailedError


def test_a_client_s_detailed_log_shows_no_password(secured, caplog):
    caplog.set_level("DEBUG", "kafka")
    with secured.cluster() as cluster:
        cluster.names(), cluster.oldest("open", cluster.offsets("open", "earliest"))
    assert "sasl_plain_password" in caplog.text and secured.cores["teacher"] not in caplog.text


@pytest.mark.parametrize("way", WAYS)
def test_spark_is_refused_with_java_s_error(secured, spark, wrong, way):
    changes, words = wrong[way]
    settings = secured.settings(**changes)
    with pytest.raises(Py4JJavaError) as refused:
        read(spark, settings.bootstrap_servers, settings.security, "open")
    assert re.search(words, str(refused.value)), str(refused.value)
    assert not any(core in str(refused.value) for core in secured.cores.values())


def test_a_streaming_query_that_is_refused_says_what_to_check(secured, spark, question, tmp_path):
    with secured.cluster() as cluster:
        kafka = {"kafka.bootstrap.servers": cluster.address, "subscribe": "open"} | QUICK
        kafka |= secured.settings(SASL_PASSWORD="wrong").security.spark()
        messages = spark.readStream.format("kafka").options(**kafka).load()
        running = consumer.start(messages, question, tmp_path / "out", cluster, "open", trigger=NOW)
        with running, pytest.raises(QueryError) as told:
            running.finish(60)
    assert told.value.data["cause"] == "SaslAuthenticationException" and "STREAM_SASL_PASSWORD" in told.value.remedy


def test_a_student_reads_and_changes_nothing(secured, run_main):
    student = secured.environment("student")
    with secured.cluster() as cluster:
        before = cluster.offsets("open")
    assert run_main("topics", "read", "open", environment=student).stdout.count("\n") == sum(before.values()) > 0
    assert run_main("topics", "list", environment=student).stdout.split() == ["open"]
    for text in ("delete open", "alter open retention.ms=1", "create new", "allow open --user x"):
        command = text.split()
        run = run_main("topics", *command, environment=student)
        assert run.returncode == 1 and type(run.error) is AccessError, run.stderr
        assert run.error.data["user"] in ("student", "x")
    for client, words in {"kafka-python": "AuthorizationFailedError", "confluent": "AUTHORIZATION_FAILED"}.items():
        command = ["--topic", "open", "--count", 10, "--rate", 0, "--client", client]
        run = run_main("producer", *command, environment=student)
        assert type(run.error) is ProducerError and run.error.data["acked"] == 0
        assert words in repr(run.error.data["failure"]) and "write" in run.error.remedy
    with secured.cluster() as cluster:
        assert cluster.offsets("open") == before and "new" not in cluster.names()
        assert cluster.configuration("open", "retention.ms") != "1"


def test_a_topic_that_is_not_allowed_is_refused(secured, spark):
    settings = secured.settings("student")
    with secured.cluster("student") as cluster:
        for ask in (cluster.offsets, cluster.topic_id, cluster.delete, lambda topic: list(cluster.read(topic))):
            with pytest.raises(AccessError) as refused:
                ask("hidden")
            assert type(refused.value.data["cause"]) is TopicAuthorizationFailedError
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap_servers, **settings.security.client()) as client:
        for topic in ("hidden", "open"):
            with pytest.raises(TopicAuthorizationFailedError):
                client.delete_topics([topic])
    with pytest.raises(Py4JJavaError) as told:
        read(spark, settings.bootstrap_servers, settings.security, "hidden")
    assert "TopicAuthorizationException" in str(told.value)


def test_who_may_see_a_topic_and_not_read_it_is_refused(secured, run_main):
    see = ACL(
        "User:student", "*", ACLOperation.DESCRIBE, ACLPermissionType.ALLOW, ResourcePattern(ResourceType.TOPIC, "seen")
    )
    with secured.cluster() as cluster, secured.cluster("student") as student:
        cluster.create("seen")
        assert not cluster.ask(lambda client: client.create_acls([see]))["failed"]
        command = ["--topic", "seen", "--count", 3, "--rate", 0, "--client", "confluent"]
        run = run_main("producer", *command, environment=secured.environment())
        assert run.returncode == 0 and sum(student.offsets("seen").values()) == 3
        with pytest.raises(AccessError) as refused:
            list(student.read("seen"))
        assert type(refused.value.data["cause"]) is TopicAuthorizationFailedError
        cluster.delete("seen")


def test_the_command_line_makes_users_whose_password_is_no_argument(secured, run_module):
    environment = secured.environment()
    assert run_module("topics", "user", "ana", environment=environment, input="sésame\n").returncode == 0
    assert run_module("topics", "allow", "open", "--user", "ana", environment=environment).returncode == 0
    with secured.cluster("ana", SASL_PASSWORD="sésame") as cluster:
        assert cluster.names() == ["open"]
    assert run_module("topics", "user", "ana", environment=environment, input="changed\n").returncode == 0
    with secured.cluster("ana", SASL_PASSWORD="sésame") as cluster, pytest.raises(AccessError):
        cluster.names()
    refused = run_module("topics", "user", "teacher", environment=secured.environment("student"), input="mine\n")
    assert refused.returncode == 1 and refused.stderr.startswith("AccessError: ")
    empty = run_module("topics", "user", "ana", environment=environment, input="")
    assert empty.returncode == 1 and empty.stderr.startswith("SettingError: ")


def test_no_other_program_can_use_the_broker_s_own_listeners(secured):
    listeners = (secured.folder / "broker" / "server.properties").read_text().splitlines()
    (text,) = (line for line in listeners if line.startswith("listeners="))
    own = dict(re.findall(r"(INTERNAL|CONTROLLER)://(127\.0\.0\.1:\d+)", text))
    assert len(own) == 2 and text.count("//127.0.0.1:") == 3, "everything listens on this machine only"
    security = Security("SSL", ca_file=secured.settings().ssl_ca_file)
    for address in own.values():
        for options in (security.client(), OPEN.client()):
            with pytest.raises(KafkaTimeoutError):
                KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=1500, **options)


def test_up_attaches_and_restarts_and_never_ends_a_broker_that_refuses_it(secured, run_main, wrong):
    pid = State(secured.settings()).read().pid
    assert infra.up(secured.settings()).started is False
    for way in ("password", "plaintext"):
        for command in ("up", "status"):
            run = run_main("infra", command, environment=secured.environment(**wrong[way][0]))
            assert run.returncode == 1 and type(run.error) is AccessError
    assert not gone(pid)
    infra.down(secured.settings())
    with pytest.raises(AccessError):  # the users are those of the data
        infra.up(secured.settings(SASL_PASSWORD="another"))
    assert State(secured.settings()).read() is None
    again = infra.up(secured.settings())
    assert again.started and not gone(again.pid)
    with secured.cluster("student") as cluster:
        assert cluster.names() == ["open"]


def test_a_secured_client_does_not_end_an_open_broker(broker, settings, secured, run_main):
    changes = {"BOOTSTRAP_SERVERS": settings.bootstrap_servers, "BUILD_DIR": str(settings.build_dir)}
    run = run_main("infra", "up", environment=secured.environment(**changes))
    assert type(run.error) is AccessError and run.error.data["protocol"] == "SASL_SSL"
    assert not gone(broker.pid)


def test_down_with_volumes_removes_the_users_too(secured):
    infra.down(secured.settings(), volumes=True)
    assert not (secured.folder / "broker" / "tls").exists() and not (secured.folder / "broker" / "data").exists()
