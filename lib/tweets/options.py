"""Options of the tweet generator: their valid ranges, and their command-line arguments."""

import argparse
from datetime import UTC, datetime

from lib.errors import SettingError, require

BLOCK = 1000  # messages; without a count, the fractions hold within each block
MOST = 100_000_000  # messages: the kind of each is planned in advance, in one byte of memory


def check(
    count: int | None, seed: int, start: datetime, rate: float, late: float, duplicates: float, malformed: float
) -> None:
    """Raise SettingError for options of `stream` that are out of range."""
    fractions = {"late": late, "duplicates": duplicates, "malformed": malformed}
    require(count is None or 0 <= count <= MOST, "count", count, f"give 0 to {MOST}, or omit it for an endless stream")
    require(seed >= 0, "seed", seed, "give 0 or more")
    rates = "give messages per second, from 0.001 to a million, such as --rate 50; 0 is as fast as possible"
    require(rate == 0 or 0.001 <= rate <= 1e6, "rate", rate, rates)
    for name, fraction in fractions.items():
        require(0 <= fraction <= 1, name, fraction, f"give a fraction from 0 to 1, such as --{name} 0.01")
    # A year of four digits in every event time.
    require(1970 <= start.year < 3000, "start", start, "give a time from 1970 to 2999")
    require(start.tzinfo is not None, "start", start, "add its time zone, such as 2026-01-01T12:00:00Z")
    size = BLOCK if count is None else count
    flawed = sum(round(fraction * size) for fraction in fractions.values())
    if flawed > max(size - (duplicates > 0), 0):  # a duplicate needs one tweet to repeat
        raise SettingError(
            f"--late, --duplicates and --malformed need {flawed} of {size} messages",
            "choose fractions whose sum is below 1",
            option="late + duplicates + malformed",
            value=flawed,
        )


def add_options(parser: argparse.ArgumentParser, start: datetime | None, count: int | None) -> None:
    """Add the options that `python -m lib.tweets` and `python -m lib.producer` share, with these defaults."""

    def add(name: str, kind, default, letter: str, text: str) -> None:
        parser.add_argument(f"--{name}", type=kind, default=default, metavar=letter, help=text)

    add("count", int, count, "N", f"number of messages (default: {count or 'endless'})")
    add("seed", int, 0, "K", "the same seed and start give the same messages (default: 0)")
    add("start", parse_time, start, "TIME", f"event time of the first message, ISO 8601 (default: {start or 'now'})")
    add("rate", float, 50, "R", "messages per second; 0: as fast as possible (default: 50)")
    add("late", float, 0, "F", "fraction of late tweets, dated 10 minutes earlier: exactly round(F*N) of N messages")
    add("duplicates", float, 0, "F", "fraction of messages that repeat an earlier tweet, just as exactly")
    add("malformed", float, 0, "F", "fraction of messages that are not valid tweets, just as exactly")


def parse_time(text: str) -> datetime:
    """A time in ISO 8601; UTC if it has no time zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2026-01-01T12:00:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
