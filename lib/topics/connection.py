"""Connection to a Kafka cluster: one admin client, opened when first needed, and whether a broker answers."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self, TypeVar

from kafka.admin import KafkaAdminClient
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    UnknownBrokerIdError,
    UnknownTopicOrPartitionError,
)

from lib.errors import BrokerError, TopicError
from lib.security import OPEN, Security
from lib.settings import Settings, hosts_and_ports
from lib.topics.refusal import REFUSED, check_access, check_protocol, refusal
from lib.wait import wait_until

T = TypeVar("T")
# The client knows brokers that have ended since, or not yet those that have started.
STALE = (NodeNotReadyError, KafkaConnectionError, UnknownBrokerIdError)


class Connection:
    """A connection to the cluster at an address such as "localhost:9092" (several: separated by commas).

    Safe to use from several threads. Its admin client is reopened after a failure, such as a restart of the broker.
    Every method that asks the broker raises BrokerError if none answers within `answer_seconds`, and AccessError if it
    refuses the user or the operation, or if its certificate is refused. Raises SettingError if the address is not
    host:port.
    """

    def __init__(self, address: str, answer_seconds: float = 5, security: Security = OPEN) -> None:
        self.address, self.answer_seconds, self.security = address, answer_seconds, security
        self._hosts_and_ports = hosts_and_ports(self.address)
        self._client: KafkaAdminClient | None = None
        self._lock = threading.RLock()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The connection that the settings describe."""
        return cls(settings.bootstrap_servers, settings.answer_seconds, settings.security)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Safe to call twice; the next request reopens it."""
        with self._lock:
            client, self._client = self._client, None
            if client:
                client.close()

    def ask(self, question: Callable[[KafkaAdminClient], T]) -> T:
        """Call a function with the admin client, such as `lambda client: client.list_topics()`, and return its result.

        Raises TopicError if the function names a topic that does not exist.
        """
        with self._lock:
            try:
                end = time.monotonic() + self.answer_seconds
                # One of several brokers that is down stays in the metadata for some seconds; another may be asked.
                while self._client or (len(self._hosts_and_ports) > 1 and time.monotonic() < end):
                    with suppress(*STALE):
                        return question(self._client or self._open())
                    self.close()
                return question(self._open())
            except UnknownTopicOrPartitionError:
                raise TopicError("there is no such topic", "list the topics: python -m lib.topics list") from None
            except REFUSED as error:
                self.close()
                raise refusal(error, self.address, self.security) from None
            except KafkaError as error:
                self.close()
                raise BrokerError(
                    f"the broker at {self.address} refused: {error}",
                    "see its log: build/broker/broker.log (in mode docker: docker logs kafka)",
                    address=self.address,
                ) from None

    def _open(self) -> KafkaAdminClient:
        self.close()
        patience = int(self.answer_seconds * 1000)
        try:
            # A KafkaAdminClient (3.0.12) that cannot connect leaves a thread and its sockets behind.
            wait_until(self.port_is_open, self.answer_seconds, every=0.1)
            if self.security != OPEN:
                check_access(self._hosts_and_ports, self.security, self.answer_seconds)
            self._client = KafkaAdminClient(
                bootstrap_servers=self.address, bootstrap_timeout_ms=patience, request_timeout_ms=patience,
                **self.security.client(),
            )  # fmt: skip
        except (KafkaError, TimeoutError):
            check_protocol(self._hosts_and_ports, self.security)
            raise BrokerError(
                f"no broker answers at {self.address} (tried for {self.answer_seconds:g} s)",
                "start one: make up (or: python -m lib.infra up); or use another: STREAM_BOOTSTRAP_SERVERS=host:port",
                address=self.address,
            ) from None
        return self._client

    def answers(self) -> bool:
        """Whether a broker at the address answers a metadata request."""
        if not self.port_is_open():
            return False
        with suppress(BrokerError):
            # Not describe_cluster(): it fails on Kafka 3.4, because kafka-python expects a field of Kafka 3.7.
            self.ask(lambda client: client.list_topics())
            return True
        return False

    def port_is_open(self) -> bool:
        """Whether anything accepts a TCP connection at one of the addresses."""
        for host_and_port in self._hosts_and_ports:
            with suppress(OSError):
                socket.create_connection(host_and_port, timeout=2).close()
                return True
        return False

    def advertised(self) -> list[str]:
        """The addresses (host:port) that the brokers advertise to clients; empty if no broker answers.

        They are in the metadata that the client got when it connected, in a private attribute of kafka-python (tried
        with 3.0.12). describe_cluster() does not replace it: it sends a new request, to an address that may be the
        wrong one, and fails on Kafka 3.4.
        """
        if not self.port_is_open():
            return []
        with suppress(BrokerError):
            brokers = self.ask(lambda client: client._manager.cluster.brokers())
            return [f"{broker.host}:{broker.port}" for broker in brokers]
        return []
