"""Command line: manages and reads topics, like Kafka's `kafka-topics` and `kafka-console-consumer`."""

import argparse
import sys
from collections.abc import Sequence
from getpass import getpass
from itertools import islice

from lib.errors import SettingError, require, run
from lib.settings import Settings
from lib.topics import Cluster
from lib.topics.users import allow_reading, set_password

COMMANDS = {
    "create": "create a topic, and wait until it can be written",
    "describe": "print the partitions and their offsets",
    "read": "print the stored messages: partition, offset, key, value",
    "alter": "change a setting of a topic, like kafka-configs",
    "delete": "delete a topic with all its messages",
    "allow": "let a user of a secured broker read a topic, not write or delete it",
}


def main(argv: Sequence[str] | None = None) -> None:
    settings = Settings.from_environment()
    options = parse_options(argv, settings)
    with Cluster.of(settings) as cluster:
        if options.command == "list":
            print("\n".join(cluster.names()))
        elif options.command == "create":
            created = cluster.create(options.topic, options.partitions, options.replication_factor)
            print(f"topic {options.topic}: {'created' if created else 'already exists'}")
        elif options.command == "describe":
            print(cluster.describe(options.topic))
        elif options.command == "alter":
            cluster.alter(options.topic, *options.change)
            print(f"topic {options.topic}: {'='.join(options.change)}")
        elif options.command == "delete":
            print(f"topic {options.topic}: {'deleted' if cluster.delete(options.topic) else 'did not exist'}")
        elif options.command == "user":
            set_password(cluster, options.name, new_password())
            print(f"user {options.name}: the password is set")
        elif options.command == "allow":
            allow_reading(cluster, options.user, options.topic)
            print(f"topic {options.topic}: {options.user} may read it")
        elif options.command == "read":
            print_messages(cluster, options.topic, options.max)


def print_messages(cluster: Cluster, topic: str, most: int | None) -> None:
    """Print the topic's messages, at most `most`, one per line with tabs between the parts."""
    for record in islice(cluster.read(topic), most):
        key, value = ((text or b"").decode("utf-8", "replace") for text in (record.key, record.value))
        print(record.partition, record.offset, key, value, sep="\t")


def new_password() -> str:
    """The password that is typed or, without a terminal, the first line of standard input; never an argument."""
    password = getpass("new password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not password:
        raise SettingError("there is no password", "type it, or give it to the standard input")
    return password


def name_and_value(text: str) -> list[str]:
    """The two parts of NAME=VALUE."""
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return [name, value]


def parse_options(argv: Sequence[str] | None, settings: Settings) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lib.topics", description="Create, list, read and delete topics.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print the topics' names")
    user = commands.add_parser("user", help="create a user of a secured broker, or change the password")
    user.add_argument("name", help="the password is asked for, or read from standard input")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("topic", nargs="?", default=settings.topic, help="default: %(default)s")
        if name == "create":
            command.add_argument("--partitions", type=int, metavar="N", help="partitions (default: the broker's)")
            text = "replicas of each partition (default: the broker's)"
            command.add_argument("--replication-factor", type=int, metavar="N", help=text)
        if name == "alter":
            command.add_argument("change", type=name_and_value, metavar="NAME=VALUE", help="the setting")
        if name == "allow":
            command.add_argument("--user", required=True, help="the user's name")
        if name == "read":
            command.add_argument("--max", type=int, metavar="N", help="only the first N messages")
    options = parser.parse_args(argv)
    for name, least in {"partitions": 1, "replication-factor": 1, "max": 0}.items():
        number = getattr(options, name.replace("-", "_"), None)
        require(number is None or number >= least, name, number, f"use {least} or more, or omit it")
    return options


if __name__ == "__main__":
    run(main)
