"""Does the infrastructure work? Five messages go to the topic, and the same five must come back.

`python tests/tester.py` needs a broker and nothing else of the course. It looks at no message but its own, so it may
run while a producer fills the topic. What it prints is in Spanish, as in the report that this course comes from.
"""

import json
import logging
import sys
import time
from contextlib import suppress

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from lib.settings import settings

SERVERS, TOPIC = settings.bootstrap_servers, settings.topic
PLACE = TopicPartition(TOPIC, 0)  # only within one partition do messages keep their order
PATIENCE_MS = 2_500  # at each step: without a broker all of them together end within 10 s
TIMEOUTS = {"bootstrap_timeout_ms": PATIENCE_MS, "request_timeout_ms": PATIENCE_MS}

logging.getLogger("kafka").setLevel(logging.CRITICAL)  # one line of ours says more than its many
sys.stdout.reconfigure(encoding="utf-8")  # a Windows console may have no ✔
sys.stderr.reconfigure(encoding="utf-8")


def create_topic() -> None:
    """Create the topic unless it is there; KafkaError where no broker answers."""
    with KafkaAdminClient(bootstrap_servers=SERVERS, **TIMEOUTS) as admin:
        if TOPIC not in admin.list_topics():
            new = {TOPIC: {"num_partitions": settings.partitions, "replication_factor": 1}}
            with suppress(TopicAlreadyExistsError):  # somebody may have been quicker
                admin.create_topics(new, timeout_ms=PATIENCE_MS)


def send(producer: KafkaProducer) -> list[int]:
    """Send five messages, each acknowledged before the next; the offsets at which the broker put them."""
    print(f">>> 1. INICIANDO PRODUCTOR (Enviando mensajes a {SERVERS})...")
    offsets = []
    for number in range(1, 6):
        message = {"usuario": f"User_{number}", "mensaje": "Hola Kafka", "contador": number}
        sent = producer.send(TOPIC, json.dumps(message).encode(), partition=PLACE.partition)
        offsets.append(sent.get(timeout=PATIENCE_MS / 1000).offset)
        print(f" [✔] Enviado: {message}")
    return offsets


def receive(consumer: KafkaConsumer, offsets: list[int]) -> None:
    """Read on until the messages at these offsets have come; KafkaError if they do not."""
    print(f">>> 2. INICIANDO CONSUMIDOR (Leyendo de {TOPIC})...")
    missing, deadline = set(offsets), time.monotonic() + PATIENCE_MS / 1000
    while missing:
        for record in consumer.poll(timeout_ms=200).get(PLACE, []):
            if record.offset in missing:  # all the others are somebody's tweets
                print(f" [✔] Recibido: {json.loads(record.value)}")
                missing.remove(record.offset)
                deadline = time.monotonic() + PATIENCE_MS / 1000
        if time.monotonic() > deadline:
            raise KafkaError(f"faltan {len(missing)} de los 5 mensajes")


def main() -> None:
    create_topic()
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, enable_auto_commit=False, **TIMEOUTS)
    producer = KafkaProducer(bootstrap_servers=SERVERS, max_block_ms=PATIENCE_MS, **TIMEOUTS)
    consumer.assign([PLACE])
    consumer.seek(PLACE, consumer.end_offsets([PLACE])[PLACE])  # however full the topic is, reading begins here
    receive(consumer, send(producer))
    print(">>> Consumidor finalizado con éxito. ¡TODO FUNCIONA!")


if __name__ == "__main__":
    try:
        main()
    except KafkaError as error:
        sys.exit(
            f"ERROR: ningún broker de Kafka funciona en {SERVERS} ({error}). Arránquelo: make up; o vea: make doctor"
        )
