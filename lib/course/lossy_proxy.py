"""TCP proxy between a Kafka client and the broker that loses chosen acknowledgements.

A client uses it with the option `proxy_url` (HTTP CONNECT), so the broker's advertised address can stay as it is.
"""

import struct
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from socket import SHUT_RDWR, create_connection, socket
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import BinaryIO

PRODUCE = 0  # Kafka's number for the request that carries messages


class Tunnel(StreamRequestHandler):
    """One connection of a client: Kafka's requests in one direction, the broker's answers in the other."""

    def handle(self) -> None:
        host, port = self.rfile.readline().split()[1].decode().rsplit(":", 1)  # CONNECT host:port HTTP/1.1
        while self.rfile.readline().strip():
            pass  # the headers, up to an empty line
        produced: set[int] = set()
        with create_connection((host, int(port))) as broker, suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            threading.Thread(target=self.answer, args=(broker, produced), daemon=True).start()
            for request in frames(self.rfile):
                kind, _, number = struct.unpack(">hhi", request[4:12])
                if kind == PRODUCE:
                    produced.add(number)
                broker.sendall(request)
            broker.shutdown(SHUT_RDWR)  # the client is gone: `answer` must not wait any longer

    def answer(self, broker: socket, produced: set[int]) -> None:
        """Forward the broker's answers; where one is to be lost, close the client's connection instead."""
        with broker.makefile("rb") as answers, suppress(OSError):
            for answer in frames(answers):
                if struct.unpack(">i", answer[4:8])[0] in produced and self.server.loses_this():
                    break
                self.wfile.write(answer)
            self.request.shutdown(SHUT_RDWR)


class LossyProxy(ThreadingTCPServer):
    """Loses the acknowledgements with the numbers in `lose`, counted over all connections; 1 is the first.

    `with LossyProxy({2}) as proxy: KafkaProducer(..., proxy_url=proxy.url)`. It listens on 127.0.0.1 only.
    """

    daemon_threads = True

    def __init__(self, lose: Collection[int]) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lose, self.seen, self.lock = frozenset(lose), 0, threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def loses_this(self) -> bool:
        """Count an acknowledgement; whether it is one to be lost."""
        with self.lock:
            self.seen += 1
            return self.seen in self.lose

    def __exit__(self, *_) -> None:
        self.shutdown()
        self.server_close()


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """Kafka's requests or answers, each with the four bytes before it that give its length."""
    while len(size := stream.read(4)) == 4:
        yield size + stream.read(struct.unpack(">i", size)[0])
