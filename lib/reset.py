"""Reset of the pipeline: deletes a topic, and the output and checkpoint of the consumer that reads it."""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from lib.errors import QueryError, run
from lib.settings import Settings
from lib.topics import Cluster


def reset(cluster: Cluster, topic: str | None, output: Path) -> list[str]:
    """Delete a topic with its messages (None: keep it) and a consumer's output folder with its checkpoint.

    Returns what was deleted. Raises QueryError while a consumer uses the output, and BrokerError if a topic is to be
    deleted and no broker answers.
    """
    deleted = []
    if output.exists():
        locks = [FileLock(path) for path in output.rglob("in-use.lock")]
        try:
            for lock in locks:
                lock.acquire(timeout=0)
        except Timeout:
            raise QueryError(f"a consumer uses {output}", "stop it first", used=output) from None
        finally:
            for lock in locks:
                lock.release()
        files = sum(path.is_file() for path in output.rglob("*"))
        shutil.rmtree(output)
        deleted.append(f"{output} with its checkpoint ({files} files)")
    if topic is not None and topic in cluster.names():
        first, last = cluster.offsets(topic, "earliest"), cluster.offsets(topic)
        cluster.delete(topic)
        deleted.append(f"topic {topic} with {sum(last.values()) - sum(first.values())} messages")
    return deleted


def main(argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_environment()
    parser = argparse.ArgumentParser(prog="python -m lib.reset", description="Delete topic, output and checkpoint.")
    parser.add_argument("--topic", default=settings.topic, help="topic to delete (default: %(default)s)")
    parser.add_argument("--keep-topic", action="store_true", help="delete only the output and its checkpoint")
    parser.add_argument(
        "--output", type=Path, default=settings.build_dir / "consumer", metavar="DIR",
        help="the consumer's output, with its checkpoint (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(argv)
    with Cluster(settings.bootstrap_servers, settings.answer_seconds) as cluster:
        deleted = reset(cluster, None if options.keep_topic else options.topic, options.output)
    print("\n".join(f"deleted: {what}" for what in deleted) or "there was nothing to delete")


if __name__ == "__main__":
    run(main)
