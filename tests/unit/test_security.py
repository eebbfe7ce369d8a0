"""Security: combinations that are refused, secrets that are never shown, and the options of each client."""

import re
import shutil
import ssl
from dataclasses import replace

import pytest

from lib.errors import BrokerError, SettingError
from lib.infra import secured
from lib.infra.modes import Compose, Embedded
from lib.security import OPEN, Secret, Security
from lib.settings import Settings
from lib.topics import Cluster

LOGIN = {"STREAM_SASL_USER": "ana", "STREAM_SASL_PASSWORD": "open-sesame"}


@pytest.mark.parametrize(
    "option, environment",
    [
        ("SECURITY_PROTOCOL", {"STREAM_SECURITY_PROTOCOL": "TLS"}),
        ("SASL_USER", {"STREAM_SECURITY_PROTOCOL": "SASL_SSL", "STREAM_SASL_PASSWORD": "open-sesame"}),
        ("SASL_PASSWORD", {"STREAM_SECURITY_PROTOCOL": "SASL_SSL", "STREAM_SASL_USER": "ana"}),
        ("SASL_PASSWORD", {"STREAM_SECURITY_PROTOCOL": "SSL", "STREAM_SASL_PASSWORD": "open-sesame"}),
        ("SASL_USER", LOGIN),
        ("SSL_CA_FILE", LOGIN | {"STREAM_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "STREAM_SSL_CA_FILE": "ca.pem"}),
    ],
)
def test_a_combination_that_cannot_work_is_refused(run_main, option, environment):
    run = run_main("topics", "list", environment=environment)
    assert type(run.error) is SettingError and run.error.data == {"option": f"STREAM_{option}"} and run.error.remedy
    assert "open-sesame" not in run.stderr


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_certificates_that_cannot_be_read_are_refused_when_a_client_is_configured(tmp_path, content):
    security = Security("SSL", ca_file=str(tmp_path / "ca.pem"))
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    for configure in (security.client, security.librdkafka, security.spark):
        with pytest.raises(SettingError) as refused:
            configure()
        assert refused.value.data == {"option": "STREAM_SSL_CA_FILE"}


def test_a_password_is_never_shown():
    settings = Settings.from_environment(LOGIN | {"STREAM_SECURITY_PROTOCOL": "SASL_PLAINTEXT"})
    again = replace(settings, sasl_password="open-sesame")
    clients = [
        options for each in (settings, again) for options in (each.security.client(), each.security.librdkafka())
    ]
    for shown in (settings, again, settings.security, Security(*vars(settings.security).values()), *clients):
        assert "open-sesame" not in f"{shown} {shown!r}" and "***" in repr(shown)
    assert settings.sasl_password == "open-sesame" and repr(Secret()) == "''"
    assert Settings.from_environment(settings.security.environment()).security == settings.security


def test_without_security_nothing_of_it_is_left():
    settings = Settings(**{"security_protocol": "SASL_SSL", "sasl_user": "ana", "sasl_password": "x"}, top=3)
    assert settings.without_security() == Settings(top=3) and settings.without_security().security == OPEN


def test_each_client_gets_its_own_names(monkeypatch):
    assert OPEN.client() == {"security_protocol": "PLAINTEXT"} and OPEN.spark() == {
        "kafka.security.protocol": "PLAINTEXT"
    }
    assert OPEN.librdkafka() == {"security.protocol": "PLAINTEXT"}
    security = Security("SASL_SSL", "ana", 'a"b\\c')
    assert security.librdkafka() == {
        "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "ana", "sasl.password": 'a"b\\c',
    }  # fmt: skip
    context = security.client().pop("ssl_context")
    assert context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED
    login = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="ana" password="a\\"b\\\\c";'
    assert security.spark() == {
        "kafka.security.protocol": "SASL_SSL", "kafka.sasl.mechanism": "SCRAM-SHA-512", "kafka.sasl.jaas.config": login
    }  # fmt: skip


# The embedded broker, and the containers


@pytest.fixture
def own(tmp_path):
    """The settings of a secured embedded broker."""
    login = {"sasl_user": "ana", "sasl_password": "open-sesame", "security_protocol": "SASL_SSL"}
    return Settings("localhost:1", build_dir=tmp_path, ssl_ca_file=str(tmp_path / "broker" / "tls" / "ca.pem"), **login)


@pytest.mark.parametrize(
    "changes",
    [
        {"security_protocol": "SSL", "sasl_user": "", "sasl_password": ""},
        {"ssl_ca_file": "/etc/ssl/cert.pem"},
        {"sasl_user": "ana;User:eve"},
        {"brokers": 3},
    ],
)
def test_settings_that_the_embedded_broker_cannot_have_are_refused(own, changes):
    with pytest.raises(SettingError) as refused:
        Embedded(replace(own, **changes), Cluster.of(own)).prepare()
    option = next(iter(changes)).upper()
    assert refused.value.data["option"] == f"STREAM_{option}" and "open-sesame" not in str(refused.value)


def test_containers_are_not_started_with_settings_that_they_do_not_have(own):
    with pytest.raises(SettingError) as refused:
        Compose(replace(own, bootstrap_servers="localhost:9092"), Cluster.of(own)).prepare()
    assert refused.value.data["option"] == "STREAM_SECURITY_PROTOCOL"


def test_the_key_is_made_once_and_only_this_user_can_read_it(own):
    folder = own.build_dir / "broker"
    secured.make_keys(own, folder)
    made = {path.name: path.read_bytes() for path in (folder / "tls").iterdir()}
    assert made.keys() == {"ca.pem", "keys.p12", "password"}
    assert [path.stat().st_mode & 0o77 for path in (folder, folder / "tls")] == [0, 0]
    secured.make_keys(own, folder)
    assert made == {path.name: path.read_bytes() for path in (folder / "tls").iterdir()}
    assert own.security.context().cert_store_stats()["x509"] == 1


def test_the_data_of_an_open_broker_are_not_used(own):
    folder = own.build_dir / "broker"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "meta.properties").touch()
    with pytest.raises(BrokerError):
        secured.make_keys(own, folder)
    shutil.rmtree(folder / "data")
    secured.make_keys(own, folder)


def test_the_first_user_s_password_is_salted(own):
    texts = {secured.first_user(own), secured.first_user(own)}
    assert len(texts) == 2 and not any("open-sesame" in text for text in texts)
    assert all(re.fullmatch(r'--add-scram\nSCRAM-SHA-512=\[name="ana",.+\]\n', text) for text in texts)
