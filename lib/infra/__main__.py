"""Command line of the broker: start it, report its status, stop it."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from lib.errors import run
from lib.infra import down, status, up
from lib.settings import MODES, Settings


def main(argv: Sequence[str] | None = None) -> int:
    settings = Settings.from_environment()
    parser = argparse.ArgumentParser(prog="python -m lib.infra", description="Start or stop the Kafka broker.")
    parser.add_argument(
        "command", choices=("up", "status", "down"),
        help="up: start a broker, or attach to one that answers; status: exit with 0 if a broker answers, else with 1; "
        "down: stop what `up` started, and keep its data",
    )  # fmt: skip
    parser.add_argument("--mode", choices=MODES, default=settings.mode, help=f"default: {settings.mode}")
    parser.add_argument("--volumes", action="store_true", help="with down: remove the broker's data too")
    parser.add_argument(
        "--brokers", type=int, default=settings.brokers, metavar="N",
        help="how many brokers run in mode embedded; more than one have a controller (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(argv)
    if options.volumes and options.command != "down":
        parser.error("--volumes is an option of down")
    if options.brokers != settings.brokers and options.mode != "embedded":
        parser.error("--brokers is an option of mode embedded")
    settings = replace(settings, mode=options.mode, brokers=options.brokers)
    if options.command == "status":
        answered, sentence = status(settings)
        print(sentence)
        return 0 if answered else 1
    if options.command == "down":
        print(down(settings, options.volumes))
        return 0
    broker = up(settings)
    print(broker)
    if "," in broker.bootstrap_servers and broker.bootstrap_servers != settings.bootstrap_servers:
        number = len(broker.bootstrap_servers.split(","))
        variables = f"STREAM_BROKERS={number} STREAM_BOOTSTRAP_SERVERS={broker.bootstrap_servers}"
        print(f"so that every program knows all of them, type: export {variables}")
    return 0


if __name__ == "__main__":
    run(main)
