"""Round trip of five messages: sends them to the topic and reads the same five back.

`python tests/tester.py` needs a broker and nothing else of the course. It ignores all messages but its own, so it may
run while a producer fills the topic. Its output is in Spanish, as in the report that this course comes from.
"""

import json
import sys
import time
from contextlib import suppress

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from lib.errors import run
from lib.settings import Settings

PATIENCE_MS = 2_500  # at each step: without a broker all of them together end within 10 s
CLOCK = {"message.timestamp.type": "LogAppendTime"}
TIMEOUTS = {"bootstrap_timeout_ms": PATIENCE_MS, "request_timeout_ms": PATIENCE_MS}


def address(settings: Settings) -> dict[str, object]:
    """The options of each client."""
    return {"bootstrap_servers": settings.bootstrap_servers} | settings.security.client() | TIMEOUTS


def create_topic(settings: Settings) -> None:
    """Create the topic if it does not exist; KafkaError where no broker answers."""
    with KafkaAdminClient(**address(settings)) as admin:
        if settings.topic not in admin.list_topics():
            # Timestamps by the broker's clock, as lib.topics creates topics.
            new = {settings.topic: {"num_partitions": settings.partitions, "replication_factor": 1, "configs": CLOCK}}
            with suppress(TopicAlreadyExistsError):  # another program may create it at the same time
                admin.create_topics(new, timeout_ms=PATIENCE_MS)


def send(producer: KafkaProducer, place: TopicPartition) -> list[int]:
    """Send five messages, each acknowledged before the next, and return the offsets that the broker gave them."""
    offsets = []
    for number in range(1, 6):
        message = {"usuario": f"User_{number}", "mensaje": "Hola Kafka", "contador": number}
        sent = producer.send(place.topic, json.dumps(message).encode(), partition=place.partition)
        offsets.append(sent.get(timeout=PATIENCE_MS / 1000).offset)
        print(f" [✔] Enviado: {message}")
    return offsets


def receive(consumer: KafkaConsumer, place: TopicPartition, offsets: list[int]) -> None:
    """Read until the messages at these offsets have arrived; KafkaError if they do not."""
    missing, deadline = set(offsets), time.monotonic() + PATIENCE_MS / 1000
    while missing:
        for record in consumer.poll(timeout_ms=200).get(place, []):
            if record.offset in missing:  # the others are not this program's
                print(f" [✔] Recibido: {json.loads(record.value)}")
                missing.remove(record.offset)
                deadline = time.monotonic() + PATIENCE_MS / 1000
        if time.monotonic() > deadline:
            raise KafkaError(f"faltan {len(missing)} de los 5 mensajes")


def round_trip(settings: Settings) -> None:
    """Send and receive; KafkaError where the broker fails."""
    place = TopicPartition(settings.topic, 0)  # messages keep their order only within a partition
    create_topic(settings)
    consumer = KafkaConsumer(enable_auto_commit=False, **address(settings))
    producer = KafkaProducer(max_block_ms=PATIENCE_MS, **address(settings))
    try:
        consumer.assign([place])
        consumer.seek(place, consumer.end_offsets([place])[place])  # skips what the topic already holds
        print(f">>> 1. INICIANDO PRODUCTOR (Enviando mensajes a {settings.bootstrap_servers})...")
        offsets = send(producer, place)
        print(f">>> 2. INICIANDO CONSUMIDOR (Leyendo de {settings.topic})...")
        receive(consumer, place, offsets)
    finally:
        consumer.close()
        producer.close(timeout=PATIENCE_MS / 1000)
    print(">>> Consumidor finalizado con éxito. ¡TODO FUNCIONA!")


def main() -> int:
    settings = Settings.from_environment()
    try:
        round_trip(settings)
        return 0
    except KafkaError as error:
        broker = f"ningún broker de Kafka funciona en {settings.bootstrap_servers} ({error})"
        print(f"ERROR: {broker}. Arránquelo: make up; o vea: make doctor", file=sys.stderr)
        return 1


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # a Windows console may have no ✔
    run(main)
