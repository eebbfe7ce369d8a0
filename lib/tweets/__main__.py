"""Command line: print synthetic tweets as JSON, one per line."""

import argparse
import sys
from collections.abc import Sequence

from lib.errors import run
from lib.tweets import FIXED_START, add_options, stream


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.tweets", description="Print synthetic tweets, one per line.")
    add_options(parser, start=FIXED_START, count=1000)
    for message in stream(**vars(parser.parse_args(argv))):
        sys.stdout.buffer.write(message.value + b"\n")


if __name__ == "__main__":
    run(main)
