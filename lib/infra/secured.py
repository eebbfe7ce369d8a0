"""Secured embedded broker: TLS, SASL/SCRAM and access rules, with a key made on this machine.

Clients use the listener SASL_SSL. The broker and its controller, which are one process, trust each other by the
broker's own key, so that no other program can use their listeners. The user of the settings may do everything; for
others `python -m lib.topics user` and `allow`.
"""

import base64
import re
import secrets
import subprocess
from pathlib import Path

from lib.errors import BrokerError, SettingError
from lib.infra.java import java_home
from lib.infra.ports import free_port
from lib.security import LOGIN, MECHANISM
from lib.settings import Settings
from lib.topics.users import credential

KEYS = "tls"  # in the broker's folder: keys.p12, its password, and ca.pem, the certificate for clients
NAME = "CN=arqesp-broker"
DAYS = 365


def check(settings: Settings, folder: Path) -> None:
    """Raise SettingError if the broker could not be started with these settings, or its own clients not reach it."""
    certificate = folder / KEYS / "ca.pem"
    for option, value, right in (
        ("SECURITY_PROTOCOL", settings.security_protocol, "SASL_SSL"),
        ("SSL_CA_FILE", settings.ssl_ca_file, str(certificate)),
        ("SASL_USER", settings.sasl_user, re.sub(r"[^A-Za-z0-9_.-]", "_", settings.sasl_user)),
        ("BROKERS", settings.brokers, 1),
    ):
        if value != right:
            raise SettingError(
                f"the embedded broker cannot be secured with STREAM_{option}={value}",
                f"set STREAM_{option}={right}; for an open broker on this machine, unset STREAM_SECURITY_PROTOCOL",
                option=f"STREAM_{option}", value=value,
            )  # fmt: skip


def make_keys(settings: Settings, folder: Path) -> None:
    """Make the broker's key and certificate, unless they exist; only this user may read the folder.

    Raises BrokerError if the folder has the data of an open broker, or if the key could not be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    keys, certificate = folder / KEYS / "keys.p12", folder / KEYS / "ca.pem"
    if certificate.exists():
        return
    if (folder / "data" / "meta.properties").exists():
        raise BrokerError(
            f"the data in {folder} are those of an open broker, and have no users",
            "remove them, with all topics: python -m lib.infra down --volumes",
            folder=folder,
        )
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.unlink(missing_ok=True)
    password_of(folder).write_text(secrets.token_hex(16))
    name = f"{'ip' if settings.host[0].isdigit() else 'dns'}:{settings.host}"
    store = ["-keystore", keys, "-storepass:file", password_of(folder), "-alias", "broker"]
    key = ["-keyalg", "EC", "-groupname", "secp256r1", "-dname", NAME, "-ext", f"san={name}", "-validity", DAYS]
    keytool = java_home(settings) / "bin" / "keytool"
    for command in (["-genkeypair", *store, *key], ["-exportcert", "-rfc", *store, "-file", certificate]):
        done = subprocess.run([str(keytool), *map(str, command)], capture_output=True, text=True)
        if done.returncode:
            raise BrokerError(f"the broker's key could not be made: {done.stdout.strip()}", "check Java: make doctor")


def properties(settings: Settings, folder: Path, controller_port: int) -> dict[str, object]:
    """The part of the broker's configuration that secures it."""
    numbers = {"SASL_SSL": settings.port, "INTERNAL": free_port(), "CONTROLLER": controller_port}
    listeners = [f"{name}://127.0.0.1:{number}" for name, number in numbers.items()]
    addresses = [f"{name}://{settings.host}:{number}" for name, number in numbers.items()]
    return {
        "listeners": ",".join(listeners),
        "advertised.listeners": ",".join(addresses),
        "controller.quorum.voters": f"1@{settings.host}:{controller_port}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
        "inter.broker.listener.name": "INTERNAL",
        "listener.name.internal.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": f"{KEYS}/keys.p12",
        "ssl.keystore.password": password_of(folder).read_text(),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": f"{KEYS}/ca.pem",
        "sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.sasl_ssl.{MECHANISM.lower()}.sasl.jaas.config": f"{LOGIN};",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{settings.sasl_user};User:{NAME}",
    }


def first_user(settings: Settings) -> str:
    """The options of `kafka-storage format` that create the user of the settings, salted: nobody learns the password.

    For its standard input, because other users of the machine can see the arguments of a process.
    """
    user = credential(settings.sasl_user, settings.sasl_password)
    salt, salted = (base64.b64encode(each).decode() for each in (user.salt, user.salted_password))
    login = f'name="{user.user}",iterations={user.iterations},salt="{salt}",saltedpassword="{salted}"'
    return f"--add-scram\n{MECHANISM}=[{login}]\n"


def password_of(folder: Path) -> Path:
    """The file with the password of the broker's key, which Java demands."""
    return folder / KEYS / "password"
