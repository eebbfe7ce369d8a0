"""Reset: delete a topic together with the database and the checkpoint of its consumer, which belong together."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from filelock import FileLock, Timeout

from lib import infra
from lib.consumer.store import Store
from lib.errors import QueryError, SettingError, run
from lib.settings import Settings
from lib.topics import Cluster


def reset(cluster: Cluster, topic: str | None, output: Path, place: Path | str | None = None) -> list[str]:
    """Delete the topic with its messages (None: keep it) and a consumer's output with its checkpoint, wherever that is.
    `place`: the path or the URL of a store that is not in the output.

    Returns what was deleted. Raises QueryError while a consumer uses the output or the store, or if the store's server
    does not answer, and BrokerError if a topic is to be deleted and no broker answers; nothing is deleted then.
    """
    exists = topic is not None and topic in cluster.names()
    store, deleted = Store(place) if place else Store.in_folder(output), []
    with ExitStack() as locks, closing(store):
        if not store.path:
            store.claim()
        folders = [folder for folder in (output, checkpoint_of(store, output)) if folder.exists()]
        found = {path for folder in folders for path in (*folder.rglob("in-use.lock"), *folder.glob("*.db.lock"))}
        if store.path and store.lock_file.exists():
            found.add(store.lock_file)
        for path in found:
            try:
                locks.enter_context(FileLock(path).acquire(timeout=0))
            except Timeout:
                raise QueryError(f"a consumer uses {output}", "stop it first", used=output) from None
        for folder in filter(Path.exists, folders):  # the checkpoint is mostly in the output, and gone with it
            files = sum(path.is_file() for path in folder.rglob("*"))
            shutil.rmtree(folder)
            deleted.append(f"{folder} ({files} files)")
        if place and store.exists():
            store.delete()
            deleted.append(f"the tables of {store}")
    if exists:
        first, last = cluster.offsets(topic, "earliest"), cluster.offsets(topic)
        cluster.delete(topic)
        deleted.append(f"topic {topic} with {sum(last.values()) - sum(first.values())} messages")
    return deleted


def checkpoint_of(store: Store, output: Path) -> Path:
    """The checkpoint that a consumer's store names; by default a folder in its output."""
    try:
        return Path(store.run()["checkpoint"]) if store.exists() else output / "checkpoint"
    except (QueryError, KeyError):  # not a database, or not one of a consumer that has started
        return output / "checkpoint"
    finally:
        store.engine.dispose()


def confirm(settings: Settings, cluster: Cluster, topic: str) -> None:
    """Ask before a topic is deleted on a broker that this project does not manage; SettingError without a yes.

    Without a terminal there is nobody to ask.
    """
    if topic not in cluster.names() or infra.managed(settings, cluster):
        return
    question = f"delete the topic {topic} on {cluster.address}, a broker that this project does not manage"
    if not sys.stdin.isatty() or input(f"{question}? [y/N] ").strip().lower() not in ("y", "yes"):
        raise SettingError(f"not confirmed: {question}", "add --yes, or --keep-topic", option="yes", topic=topic)


def main(argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_environment()
    parser = argparse.ArgumentParser(prog="python -m lib.reset", description="Delete topic, database and checkpoint.")
    parser.add_argument("--topic", default=settings.topic, help="default: %(default)s")
    parser.add_argument("--keep-topic", action="store_true", help="delete only the output and the checkpoint")
    parser.add_argument("--yes", action="store_true", help="do not ask before a topic of another's broker is deleted")
    parser.add_argument(
        "--output", type=Path, default=settings.build_dir / "consumer", metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--store", metavar="URL", help="the consumer's --store, if it had one")
    options = parser.parse_args(argv)
    with Cluster.of(settings) as cluster:
        topic = None if options.keep_topic else options.topic
        if topic and not options.yes:
            confirm(settings, cluster, topic)
        deleted = reset(cluster, topic, options.output, options.store)
    print("\n".join(f"deleted: {what}" for what in deleted) or "there was nothing to delete")


if __name__ == "__main__":
    run(main)
