"""Command line: send synthetic tweets to a topic. The last line of its output is the summary, a JSON object."""

import argparse
import gc
import json
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from logging.handlers import RotatingFileHandler

from lib import tweets
from lib.errors import require, run
from lib.producer.client import CLIENTS, send
from lib.settings import Settings
from lib.topics import Cluster
from lib.tweets.options import MOST
from lib.wait import stop_signal

LOG_BYTES = 100_000  # about 20 minutes at one line per second
# New objects between two garbage collections. kafka-python has ten for each message that waits for its acknowledgement,
# all of which a collection visits: with Python's default of 700 that takes a third of the time.
COLLECT_EVERY = 100_000
TWEETS = ("count", "seed", "start", "rate", "late", "duplicates", "malformed")  # options of the tweet generator


def main(argv: Sequence[str] | None = None) -> None:
    stop = stop_signal()
    settings = Settings.from_environment()
    options = parse_options(argv, settings)
    messages = tweets.stream(**{name: getattr(options, name) for name in TWEETS})
    settings = replace(settings, bootstrap_servers=options.bootstrap_servers)
    with Cluster.of(settings) as cluster:
        cluster.offsets(options.topic)  # an error if the broker or the topic is missing
    if options.until_stdin_closes:
        # os.read, because a thread that waits in sys.stdin's buffer makes Python abort when it exits.
        threading.Thread(target=lambda: (os.read(0, 1), stop.set()), daemon=True).start()
    set_up_log(options.log)
    gc.set_threshold(COLLECT_EVERY)
    place = (options.topic, settings.bootstrap_servers)
    summary = send(messages, *place, options.rate, stop, options.duration, options.client, settings.security)
    print(json.dumps(summary), flush=True)


def set_up_log(file: str | None) -> None:
    """Write this package's log to standard error, or to a file that is rotated: it must never fill the disk."""
    handler = RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1) if file else logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log = logging.getLogger("lib.producer")
    log.handlers = [handler]
    log.setLevel(logging.INFO)


def latest_start(rate: float, count: int | None) -> datetime:
    """Now; at rate 0, which sends messages faster than their event times, so early that none is in the future."""
    return datetime.now(UTC) - timedelta(milliseconds=0 if rate else count or MOST)


def parse_options(argv: Sequence[str] | None, settings: Settings) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lib.producer", description="Send synthetic tweets to Kafka.")
    tweets.add_options(parser, start=None, count=None)
    parser.add_argument("--duration", type=float, metavar="S", help="stop after S seconds")
    parser.add_argument("--topic", default=settings.topic, metavar="T", help="default: %(default)s")
    servers = settings.bootstrap_servers
    parser.add_argument("--bootstrap-servers", default=servers, metavar="B", help="default: %(default)s")
    text = "library that sends: default: %(default)s"
    parser.add_argument("--client", choices=CLIENTS, default="kafka-python", help=text)
    background = parser.add_argument_group("options that start_producer sets")
    background.add_argument("--until-stdin-closes", action="store_true", help="stop when standard input ends")
    background.add_argument("--log", metavar="FILE", help="log to a rotated file instead of standard error")
    options = parser.parse_args(argv)
    options.start = options.start or latest_start(options.rate, options.count)
    valid = options.duration is None or 0 <= options.duration < threading.TIMEOUT_MAX
    require(valid, "duration", options.duration, "give seconds, such as --duration 30")
    return options


if __name__ == "__main__":
    run(main)
