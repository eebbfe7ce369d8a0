"""Security of a connection to a broker: TLS and SASL/SCRAM, in the words of each client.

TLS encrypts, and shows who the server is; SASL shows who the client is.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from lib.errors import SettingError

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISM = "SCRAM-SHA-512"
LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required"  # how Java names it


class Secret(str):
    """A text that shows itself as ***, in an object or a dictionary that is printed or logged."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'" if self else "''"


NOTHING = Secret("")


@dataclass(frozen=True)
class Security:
    """How a client connects: one of PROTOCOLS, user and password for SASL, and whom it trusts for TLS.

    `ca_file` has certificates in PEM; without one those that Python and Java trust are taken. The files are read when
    a client is configured. Raises SettingError for a combination that cannot work.
    """

    protocol: str = "PLAINTEXT"
    user: str = ""
    password: Secret = NOTHING
    ca_file: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "password", Secret(self.password))
        if self.protocol not in PROTOCOLS:
            remedy = f"use one of: {', '.join(PROTOCOLS)}"
            raise refused("SECURITY_PROTOCOL", f"there is no security protocol {self.protocol!r}", remedy)
        if self.sasl and not (self.user and self.password):
            option = "SASL_PASSWORD" if self.user else "SASL_USER"
            remedy = "set both: STREAM_SASL_USER and STREAM_SASL_PASSWORD"
            raise refused(option, f"the security protocol {self.protocol} needs a user and a password", remedy)
        unused = {"SASL_USER": self.user and not self.sasl, "SASL_PASSWORD": self.password and not self.sasl}
        for option, is_unused in (unused | {"SSL_CA_FILE": self.ca_file and not self.tls}).items():
            if is_unused:
                raise refused(
                    option,
                    f"STREAM_{option} is set, but the security protocol {self.protocol} does not use it",
                    "set STREAM_SECURITY_PROTOCOL=SASL_SSL, or unset the other",
                )

    @property
    def tls(self) -> bool:
        return self.protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        return self.protocol.startswith("SASL")

    def client(self) -> dict[str, object]:
        """The options of a kafka-python client; SettingError if the certificates cannot be read."""
        options: dict[str, object] = {"security_protocol": self.protocol}
        if self.tls:
            options["ssl_context"] = self.context()
        if self.sasl:
            login = {"sasl_plain_username": self.user, "sasl_plain_password": self.password}
            options |= {"sasl_mechanism": MECHANISM} | login
        return options

    def librdkafka(self) -> dict[str, object]:
        """The options of a client of librdkafka, as confluent-kafka is; SettingError if certificates cannot be read."""
        options: dict[str, object] = {"security.protocol": self.protocol}
        if self.ca_file:
            self.context()
            options["ssl.ca.location"] = self.ca_file
        if self.sasl:
            options |= {"sasl.mechanism": MECHANISM, "sasl.username": self.user, "sasl.password": self.password}
        return options

    def spark(self) -> dict[str, str]:
        """The options of Spark's Kafka source and sink; SettingError if the certificates cannot be read.

        They have the certificates and not the name of their file, which an executor on another machine has not.
        """
        options = {"security.protocol": self.protocol}
        if self.ca_file:
            self.context()
            certificates = Path(self.ca_file).read_text(encoding="utf-8")
            options |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": certificates}
        if self.sasl:
            login = f"{LOGIN} username={quoted(self.user)} password={quoted(self.password)};"
            options |= {"sasl.mechanism": MECHANISM, "sasl.jaas.config": login}
        return {f"kafka.{name}": value for name, value in options.items()}

    def environment(self) -> dict[str, str]:
        """The variables that give a child process the same: other users of the machine can see its arguments."""
        values = {"SECURITY_PROTOCOL": self.protocol, "SASL_USER": self.user, "SASL_PASSWORD": self.password}
        return {f"STREAM_{name}": value for name, value in (values | {"SSL_CA_FILE": self.ca_file}).items()}

    def context(self) -> ssl.SSLContext:
        """TLS that requires a trusted certificate for the server's name."""
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:  # also ssl.SSLError, for a file without a certificate
            raise refused(
                "SSL_CA_FILE",
                f"the certificates in {self.ca_file} cannot be read: {error.strerror}",
                "set STREAM_SSL_CA_FILE to a file in PEM; the embedded broker makes its own when it starts: make up",
            ) from None


OPEN = Security()  # neither TLS nor users


def refused(option: str, what: str, remedy: str) -> SettingError:
    """The error of a setting, without its value: that may be the password."""
    return SettingError(what, remedy, option=f"STREAM_{option}")


def quoted(text: str) -> str:
    """The text as a value in Java's login configuration."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
