"""The producer, which also writes each acknowledgement to a file at once, so that a kill hides none of them.

`python -m tests.faults.acknowledgements FILE …`, with the options of lib.producer.
"""

import os
import sys
from pathlib import Path

from lib.errors import run
from lib.producer.__main__ import main
from lib.producer.kafka_python import KafkaPython


def note(file: Path) -> None:
    """Let kafka-python append the partition and the offset of each message that is acknowledged here to a file."""
    count, notes = KafkaPython.acknowledged, os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def acknowledged(self, metadata) -> None:
        os.write(notes, f"{metadata.partition} {metadata.offset}\n".encode())
        count(self, metadata)

    KafkaPython.acknowledged = acknowledged


def acknowledged(file: Path) -> set[tuple[int, int]]:
    """(partition, offset) of each message that such a producer noted."""
    return {tuple(map(int, line.split())) for line in file.read_text().splitlines()}


if __name__ == "__main__":
    note(Path(sys.argv[1]))
    run(lambda: main(sys.argv[2:]))
