"""Ledger of a fault test: what producers sent and the broker acknowledged, compared with what the topic holds."""

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lib import tweets
from lib.topics import Record
from lib.tweets import Message, parse_time

Places = Set[tuple[int, int]]  # (partition, offset) of messages
MARGIN = 1000  # messages that a producer can be ahead of its schedule, at most


@dataclass
class Orders:
    """What a producer is told to send: endless tweets, from which its messages can be generated again."""

    seed: int
    clock_minutes: float = 0
    rate: float = 200
    late: float = 0.01
    duplicates: float = 0.02
    malformed: float = 0.01
    start: str = ""
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        now = datetime.now(UTC) + timedelta(minutes=self.clock_minutes)
        self.start = now.isoformat(timespec="milliseconds")

    def options(self) -> dict[str, object]:
        """The producer's options."""
        return {name: getattr(self, name) for name in ("seed", "rate", "late", "duplicates", "malformed", "start")}

    def first(self, count: int) -> list[Message]:
        options = self.options() | {"start": parse_time(self.start)}
        return list(itertools.islice(tweets.stream(**options), count))

    def acknowledged(self, count: int, places: Places = frozenset()) -> "Sent":
        """The account of a producer that has ended properly."""
        return Sent(self.first(count), count, places=places)

    def killed(self, at_least: int, places: Places = frozenset()) -> "Sent":
        """The account of a killed producer, of whose messages at least so many were acknowledged."""
        most = int(self.rate * (time.monotonic() - self.began)) + MARGIN
        return Sent(self.first(most), at_least, places=places)


@dataclass
class Sent:
    """Messages of one producer, in order. The broker acknowledged `acknowledged` of them, from a killed producer at
    least as many, and if `places` are known, at these places. `verdict`: what all of them have to be, such as "late";
    None if they may be anything."""

    messages: list[Message]
    acknowledged: int
    verdict: str | None = None
    places: Places = frozenset()


@dataclass
class Account:
    """Messages: acknowledged, lost (acknowledged, and not in the topic), surplus (more often in it than sent)."""

    acknowledged: int = 0
    lost: int = 0
    surplus: int = 0


def compare(sent: Iterable[Sent], records: Sequence[Record]) -> Account:
    """The account of what was sent and what is stored, compared byte for byte."""
    at = {(record.partition, record.offset): (record.key, record.value) for record in records}
    stored, account = Counter((record.key, record.value) for record in records), Account()
    for each in sent:
        own = Counter(map(tuple, each.messages))
        found = stored & own
        stored -= found
        # What a killed producer stored was acknowledged too, though nobody was left to hear it.
        account.acknowledged += max(each.acknowledged, found.total())
        account.lost += max(each.acknowledged - found.total(), sum(at.get(place) not in own for place in each.places))
    account.surplus = stored.total()
    return account
