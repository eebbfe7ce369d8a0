"""Database of the consumer: counts of hashtags, micro-batches and dead letters, written by idempotent upserts.

Spark delivers each micro-batch at least once. Writing a batch again puts the same values under the same keys, so each
tweet counts effectively once. Other programs can read the database by SQL while it is written.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Self

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from lib.consumer.database import is_sqlite, lost, name_of, reader, unusable, url_of, writer
from lib.consumer.panes import WINDOWS, view, windows_of
from lib.consumer.tables import BATCHES, DEAD_LETTERS, PANES, RUN, SCHEMA, VERDICTS, ms, time, upsert
from lib.query import TrendQuery
from lib.ranking import TREND_WINDOWS, ranking
from lib.wait import wait_until

OUTAGE_SECONDS = 30  # how long a transaction waits for a server that does not answer


class Batch(NamedTuple):
    """A micro-batch: {partition: offset} where it ended, its watermark (ms), and when Spark planned it (ms)."""

    ends: dict[int, int]
    watermark: int
    begun: int


class Store:
    """The database at `place`, the path of a SQLite file or a URL; times in it are UTC. `create()` makes its tables.

    The methods raise QueryError if it does not exist or cannot be used. Its text is its path, or its URL without the
    password; `path` is None for a database on a server.
    """

    def __init__(self, place: Path | str) -> None:
        self.url = url_of(place)
        self.path = Path(self.url.database) if is_sqlite(self.url) else None
        self.lock_file = self.path and self.path.with_name(f"{self.path.name}.lock")  # a server has a lock of its own
        self.engine = reader(self.url)
        self.writer = self.engine if self.path else writer(self.url)

    @classmethod
    def in_folder(cls, output: Path) -> Self:
        """The store of a consumer that has no other one: the SQLite file trends.db in its output."""
        return cls(output / "trends.db")

    def __str__(self) -> str:
        return name_of(self.url)

    def __repr__(self) -> str:
        return f"Store({str(self)!r})"

    def exists(self) -> bool:
        """Whether its tables have been created."""
        if self.path and not self.path.exists():
            return False
        with self.connect() as connection:
            return sa.inspect(connection).has_table(RUN.name)

    def claim(self) -> None:
        """Claim a database on a server until `close()`, as every write does; QueryError if another consumer has it."""
        with self.explained(), self.writer.connect():
            pass

    def create(self) -> None:
        """Create its tables, and a SQLite file, if they are missing."""
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.explained(), self.writer.begin() as connection:
            SCHEMA.create_all(connection)

    def delete(self) -> None:
        """Delete its tables, and a SQLite file."""
        with self.explained(), self.writer.begin() as connection:
            connection.exec_driver_sql("DROP VIEW IF EXISTS windows")
            SCHEMA.drop_all(connection)
        self.close()
        if self.path:
            self.path.unlink()

    def close(self) -> None:
        """Close the connections. Safe to call twice; the next use opens them again."""
        self.writer.dispose()
        self.engine.dispose()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise QueryError instead of the database's own error."""
        try:
            yield
        except DBAPIError as error:
            raise unusable(self.url, error) from None

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection to read by."""
        with self.explained(), self.engine.connect() as connection:
            yield connection

    def transact(self, work: Callable[[sa.Connection], object]) -> None:
        """Run `work` in one transaction, and again for OUTAGE_SECONDS while a server does not answer.

        A commit may have been done although its answer was lost: doing `work` twice must be the same as once.
        """
        failures = []

        def done() -> bool:
            try:
                with self.writer.begin() as connection:
                    work(connection)
            except DBAPIError as error:
                if not lost(error):
                    raise
                failures.append(error)
                return False
            return True

        try:
            wait_until(done, OUTAGE_SECONDS, every=0.5)
        except TimeoutError:
            raise unusable(self.url, failures[-1]) from None

    def write(
        self,
        number: int,
        batch: Batch,
        counts: Iterable[tuple],
        run: dict[str, str],
        dead_letters: Iterable[dict] = (),
    ) -> None:
        """Write a micro-batch in one transaction: its counts, its dead letters, its limits, and what the run is.

        `counts`: (start of the pane in ms since 1970, hashtag, tweets). `dead_letters`: partition, offset, timestamp in
        ms, reason, value; one that is there already stays.
        """
        rows = [
            {"pane_start": time(start), "hashtag": hashtag, "tweets": tweets, "batch": number}
            for start, hashtag, tweets in counts
        ]
        letters = [letter | {"timestamp": time(letter["timestamp"])} for letter in dead_letters]
        begun = time(batch.begun)

        def put(connection: sa.Connection) -> None:
            upsert(connection, PANES, rows)
            upsert(connection, DEAD_LETTERS, letters)
            upsert(connection, RUN, [{"name": name, "value": value} for name, value in run.items()])
            row = {"batch": number, "ends": batch.ends, "watermark": time(batch.watermark), "begun": begun}
            row["seconds"] = (datetime.now(UTC).replace(tzinfo=None) - begun).total_seconds()
            upsert(connection, BATCHES, [row])

        self.transact(put)

    def report(self, number: int, newest: int | None, verdicts: dict[str, int]) -> None:
        """Add to a batch what Spark has reported: its newest event time (ms), and how many messages were what; {} if
        these numbers cannot be right."""
        values = {"newest": None if newest is None else time(newest), **verdicts}
        reported = sa.update(BATCHES).where(BATCHES.c.batch == number).values(values)
        self.transact(lambda connection: connection.execute(reported))

    def remember(self, run: dict[str, str]) -> None:
        """Write into the table `run` what belongs together."""
        rows = [{"name": name, "value": value} for name, value in run.items()]
        self.transact(lambda connection: upsert(connection, RUN, rows))

    def define_windows(self, query: TrendQuery) -> None:
        """Create the view `windows` for a query, unless it exists."""

        def define(connection: sa.Connection) -> None:
            if "windows" not in sa.inspect(connection).get_view_names():
                connection.execute(sa.text(f"CREATE VIEW windows AS {view(query, connection.dialect.name)}"))

        self.transact(define)

    def run(self) -> dict[str, str]:
        """The table `run`: {name: value}."""
        with self.connect() as connection:
            return dict(connection.execute(sa.select(RUN)).all())

    def totals(self) -> dict[str, int]:
        """{received, counted, duplicates, late, malformed}, in messages, of all batches but the `unreported` ones."""
        sums = [sa.func.coalesce(sa.func.sum(BATCHES.c[verdict]), 0) for verdict in VERDICTS]
        with self.connect() as connection:
            return dict(zip(VERDICTS, connection.execute(sa.select(*sums)).one(), strict=True))

    def unreported(self) -> int:
        """How many batches are counted, but their numbers were lost with the process, or were not right. The newest one
        is not among them while its report may still come."""
        last = sa.select(sa.func.max(BATCHES.c.batch)).scalar_subquery()
        ended = (BATCHES.c.batch < last) | BATCHES.c.newest.is_not(None)
        lost = sa.select(sa.func.count()).where(BATCHES.c.received.is_(None), ended)
        with self.connect() as connection:
            return connection.scalar(lost)

    def batches(self, last: int | None = None) -> list[Batch]:
        """All batches in order, or the `last` ones."""
        chosen = sa.select(BATCHES.c.ends, BATCHES.c.watermark, BATCHES.c.begun).order_by(BATCHES.c.batch.desc())
        with self.connect() as connection:
            rows = connection.execute(chosen.limit(last)).all()
        return [Batch({int(p): o for p, o in ends.items()}, ms(mark), ms(begun)) for ends, mark, begun in rows[::-1]]

    def last_batch(self) -> int | None:
        """The number of the newest batch; None before the first."""
        with self.connect() as connection:
            return connection.scalar(sa.select(sa.func.max(BATCHES.c.batch)))

    def newest(self) -> datetime | None:
        """The newest event time, or if Spark's report was lost, the start of the newest pane; None without one."""
        with self.connect() as connection:
            columns = (BATCHES.c.newest, PANES.c.pane_start)
            found = [connection.scalar(sa.select(sa.func.max(column))) for column in columns]
        return max(filter(None, found), default=None)

    def query(self) -> TrendQuery | None:
        """The query whose counts it has; None before a consumer has claimed it."""
        run = self.run()
        return TrendQuery(run["window"], run["slide"], run["watermark"]) if "window" in run else None

    def windows(self, since: datetime | None = None, until: datetime | None = None) -> pd.DataFrame:
        """The counts of the windows that start in this range, both ends included, or of all: (window_start, window_end,
        hashtag, tweets), sorted by window and hashtag."""
        query = self.query()
        return self._windows(query, since, until) if query else pd.DataFrame(columns=WINDOWS)

    def _windows(self, query: TrendQuery, since: datetime | None, until: datetime | None) -> pd.DataFrame:
        chosen = sa.select(PANES.c.pane_start, PANES.c.hashtag, PANES.c.tweets)
        if since:
            chosen = chosen.where(PANES.c.pane_start >= since)
        if until:
            chosen = chosen.where(PANES.c.pane_start < until + timedelta(milliseconds=query.window_ms))
        with self.connect() as connection:
            panes = pd.DataFrame(connection.execute(chosen).all(), columns=list(chosen.selected_columns.keys()))
        panes = panes.astype({"pane_start": "datetime64[ns]", "tweets": int})
        found = windows_of(panes, query)
        if since:
            found = found[found["window_start"] >= since]
        if until:
            found = found[found["window_start"] <= until]
        return found.reset_index(drop=True)

    def ranking(self, top: int) -> pd.DataFrame:
        """The trending topics now, as `lib.ranking.ranking` gives them; reads only the panes of the windows that it
        shows."""
        query, newest = self.query(), self.newest()
        if not newest:
            return ranking(pd.DataFrame(columns=WINDOWS), pd.Timestamp.min, top, pd.Timedelta(0))
        slide = query.slide_ms
        complete = (ms(newest) - query.window_ms) // slide * slide  # the start of the last window that has ended
        before_its_end = PANES.c.pane_start < time(complete + query.window_ms)
        with self.connect() as connection:
            pane = connection.scalar(sa.select(sa.func.max(PANES.c.pane_start)).where(before_its_end))
        last = time(min(complete, ms(pane) // slide * slide)) if pane else time(complete)  # the last that has a hashtag
        shown = self._windows(query, last - timedelta(milliseconds=slide) * TREND_WINDOWS, last)
        return ranking(shown, pd.Timestamp(newest), top, pd.Timedelta(slide, "ms"))
