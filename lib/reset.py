"""Beside the tweet's way: begin anew. Topic, checkpoint and output go together, or the next run would mix two.

`python -m lib.reset` says what it removed.
"""

import argparse
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from lib import topics
from lib.errors import QueryError
from lib.settings import settings

OUTPUT = settings.build_dir / "consumer"


def reset(topic: str | None = settings.topic, output: Path = OUTPUT) -> list[str]:
    """Remove the topic with its messages (None: keep it) and a consumer's output with its checkpoint; what was removed.

    Raises QueryError while a consumer is at work there, BrokerError where a topic is to go and no broker answers.
    """
    removed = []
    if output.exists():
        locks = [FileLock(path) for path in output.rglob("in-use.lock")]
        try:
            for lock in locks:
                lock.acquire(timeout=0)
        except Timeout:
            raise QueryError(f"a consumer is at work on {output}", "stop it first") from None
        finally:
            for lock in locks:
                lock.release()
        files = sum(path.is_file() for path in output.rglob("*"))
        shutil.rmtree(output)
        removed.append(f"{output} with its checkpoint ({files} files)")
    if topic is not None and topic in topics.names():
        first, last = topics.offsets(topic, "earliest"), topics.offsets(topic)
        topics.delete(topic)
        removed.append(f"topic {topic} with {sum(last.values()) - sum(first.values())} messages")
    return removed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.reset", description="Remove topic, checkpoint and output.")
    parser.add_argument("--topic", default=settings.topic)
    parser.add_argument("--keep-topic", action="store_true", help="remove only the output with its checkpoint")
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="DIR", help="the consumer's (default: %(default)s)"
    )
    options = parser.parse_args()
    removed = reset(None if options.keep_topic else options.topic, options.output)
    print("\n".join(f"removed: {what}" for what in removed) or "there was nothing to remove")


if __name__ == "__main__":
    main()
