"""Refusals, found before a client is made: TLS, certificate and login; and those of an operation. All are AccessError.

A client of kafka-python (3.0.12) that is refused tries again until its time is over, and then says only that it could
not connect: it even loses the broker's answer to a wrong password, because the connection is closed right behind it.
"""

import socket
import ssl
import struct
from collections.abc import Iterable
from contextlib import suppress

from kafka.errors import AuthorizationError, KafkaError, SaslAuthenticationFailedError
from kafka.net.sasl.scram import ScramClient

from lib.errors import AccessError
from lib.security import MECHANISM, Security

REFUSED = (AuthorizationError, SaslAuthenticationFailedError)
API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE = 18, 17, 36  # Kafka's numbers of three requests


def refusal(error: KafkaError, address: str, security: Security) -> AccessError:
    """The error for a user or an operation that the broker refuses: one of REFUSED."""
    if isinstance(error, AuthorizationError):
        what = f"the broker at {address} does not allow this to {security.user!r}: {type(error).__name__}"
        remedy = "ask whoever runs the broker; to let a user read a topic: python -m lib.topics allow TOPIC --user USER"
    else:
        what = f"the broker at {address} refuses the user {security.user!r} with this password: {error}"
        remedy = "check STREAM_SASL_USER and STREAM_SASL_PASSWORD"
    return AccessError(what, remedy, address=address, user=security.user, cause=error)


def check_access(hosts_and_ports: Iterable[tuple[str, int]], security: Security, seconds: float) -> None:
    """AccessError if a broker's certificate is refused, or if the broker refuses the user or the password.

    A broker that does not answer within `seconds` is left out.
    """
    for host, port in hosts_and_ports:
        with suppress(OSError, struct.error):
            try:
                with connect(host, port, security, seconds) as connection:
                    if security.sasl:
                        log_in(connection, security)
            except ssl.SSLCertVerificationError as error:
                raise AccessError(
                    f"the certificate of the broker at {host}:{port} is refused: {error}",
                    "set STREAM_SSL_CA_FILE to the certificate of its authority, and use a host name that the broker's "
                    "certificate has",
                    address=f"{host}:{port}", cause=error,
                ) from None  # fmt: skip
            except SaslAuthenticationFailedError as error:
                raise refusal(error, f"{host}:{port}", security) from None


def connect(host: str, port: int, security: Security, seconds: float) -> socket.socket:
    """A connection to a broker, with TLS if that is set."""
    plain = socket.create_connection((host, port), timeout=seconds)
    return security.context().wrap_socket(plain, server_hostname=host) if security.tls else plain


def log_in(connection: socket.socket, security: Security) -> None:
    """Send user and password as SCRAM does; SaslAuthenticationFailedError, with the broker's words, if it refuses."""
    name = MECHANISM.encode()
    (error,) = struct.unpack(">h", ask(connection, SASL_HANDSHAKE, 1, struct.pack(">h", len(name)) + name)[:2])
    if error:
        raise SaslAuthenticationFailedError(f"the broker has no {MECHANISM}")
    scram = ScramClient(security.user, security.password, MECHANISM)
    scram.process_server_first_message(authenticate(connection, scram.first_message()))
    authenticate(connection, scram.final_message())


def authenticate(connection: socket.socket, message: bytes) -> bytes:
    """The broker's answer to a message of SCRAM: an error's number, its text if there is one, and SCRAM's answer."""
    answer = ask(connection, SASL_AUTHENTICATE, 0, struct.pack(">i", len(message)) + message)
    number, length = struct.unpack(">hh", answer[:4])
    end = 4 + max(length, 0)
    if number:
        raise SaslAuthenticationFailedError(answer[4:end].decode())
    return answer[end + 4 :]


def ask(connection: socket.socket, request: int, version: int, body: bytes = b"") -> bytes:
    """The body of a broker's answer to a request; ConnectionError without an answer of Kafka's form."""
    content = struct.pack(">hhih", request, version, request, -1) + body  # its own number again, and no client's name
    connection.sendall(struct.pack(">i", len(content)) + content)
    with connection.makefile("rb") as stream:
        length, number = struct.unpack(">ii", stream.read(8))
        if number != request:
            raise ConnectionError("not a Kafka broker")
        return stream.read(length - 4)


def check_protocol(hosts_and_ports: Iterable[tuple[str, int]], security: Security) -> None:
    """AccessError if a broker uses TLS and this client does not, or the other way round."""
    for host, port in hosts_and_ports:
        with suppress(OSError, struct.error):
            if security.tls:
                with socket.create_connection((host, port), timeout=2) as plain:
                    ask(plain, API_VERSIONS, 0)
            else:
                ssl.get_server_certificate((host, port), timeout=2)
            words = "does not use" if security.tls else "uses"
            raise AccessError(
                f"the broker at {host}:{port} {words} TLS, and STREAM_SECURITY_PROTOCOL is {security.protocol}",
                "set it as the broker has it: SASL_SSL, with STREAM_SASL_USER, STREAM_SASL_PASSWORD and "
                "STREAM_SSL_CA_FILE, or unset all four for an open broker",
                address=f"{host}:{port}", protocol=security.protocol,
            )  # fmt: skip
