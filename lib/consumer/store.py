"""SQLite database of the consumer: window counts, micro-batches and dead letters, written by idempotent upserts.

Spark delivers each micro-batch at least once. Writing a batch again puts the same values under the same keys, so each
tweet counts effectively once. Other programs can read the file by SQL while it is written.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from lib.query import TrendQuery
from lib.ranking import TREND_WINDOWS, ranking

EPOCH = datetime(1970, 1, 1)
VERDICTS = ("received", "counted", "duplicates", "late", "malformed")
BUSY_SECONDS = 30  # how long a writer waits for another one's transaction
SECOND = sa.DateTime().with_variant(sqlite.DATETIME(truncate_microseconds=True), "sqlite")  # "2026-01-01 12:00:30"

SCHEMA = sa.MetaData()
WINDOWS = sa.Table(
    "windows", SCHEMA,
    sa.Column("window_start", SECOND, primary_key=True),
    sa.Column("hashtag", sa.String, primary_key=True),
    sa.Column("window_end", SECOND),
    sa.Column("tweets", sa.Integer),
    sa.Column("batch", sa.Integer),  # that last changed it
    sqlite_with_rowid=False,
)  # fmt: skip
BATCHES = sa.Table(
    "batches", SCHEMA,
    sa.Column("batch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ends", sa.JSON),  # {partition: offset} of what comes next
    sa.Column("watermark", sa.DateTime),  # that it ran with
    sa.Column("begun", sa.DateTime),
    sa.Column("seconds", sa.Float),  # from begun to its transaction
    sa.Column("newest", sa.DateTime),  # event time; this and the next ones are null until Spark has reported them
    *(sa.Column(verdict, sa.Integer) for verdict in VERDICTS),
)  # fmt: skip
DEAD_LETTERS = sa.Table(
    "dead_letters", SCHEMA,
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("offset", sa.Integer, primary_key=True),
    sa.Column("timestamp", sa.DateTime),  # Kafka's
    sa.Column("reason", sa.String),
    sa.Column("value", sa.LargeBinary),
)  # fmt: skip
RUN = sa.Table("run", SCHEMA, sa.Column("name", sa.String, primary_key=True), sa.Column("value", sa.String))


class Batch(NamedTuple):
    """A micro-batch: {partition: offset} where it ended, its watermark (ms), and when Spark planned it (ms)."""

    ends: dict[int, int]
    watermark: int
    begun: int


class Store:
    """The database at `path`; times in it are UTC. `create()` makes it if it does not exist.

    Reading it raises sqlalchemy.exc.OperationalError if it does not exist or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        url = sa.URL.create("sqlite", database=str(path))
        self.engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        sa.event.listen(self.engine, "connect", write_ahead)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    def create(self) -> None:
        """Create the file and its tables if they are missing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        SCHEMA.create_all(self.engine)

    def close(self) -> None:
        """Close the connections. Safe to call twice; the next use opens them again."""
        self.engine.dispose()

    def write(self, number: int, batch: Batch, counts: Iterable[tuple], run: dict[str, str]) -> None:
        """Write a micro-batch in one transaction: its window counts, its limits, and what the run is.

        `counts`: (window_start, window_end, hashtag, tweets), the times in ms since 1970.
        """
        rows = [
            {"window_start": time(start), "window_end": time(end), "hashtag": hashtag, "tweets": n, "batch": number}
            for start, end, hashtag, n in counts
        ]
        begun = time(batch.begun)
        with self.engine.begin() as connection:
            upsert(connection, WINDOWS, rows)
            upsert(connection, RUN, [{"name": name, "value": value} for name, value in run.items()])
            row = {"batch": number, "ends": batch.ends, "watermark": time(batch.watermark), "begun": begun}
            row["seconds"] = (datetime.now(UTC).replace(tzinfo=None) - begun).total_seconds()
            upsert(connection, BATCHES, [row])

    def report(self, number: int, newest: int | None, verdicts: dict[str, int]) -> None:
        """Add to a batch what Spark has reported: its newest event time (ms), and how many messages were what."""
        values = {"newest": None if newest is None else time(newest), **verdicts}
        with self.engine.begin() as connection:
            connection.execute(sa.update(BATCHES).where(BATCHES.c.batch == number).values(values))

    def add_dead_letters(self, rows: list[dict]) -> None:
        """Write dead letters (partition, offset, timestamp in ms, reason, value); one that is there already stays."""
        with self.engine.begin() as connection:
            upsert(connection, DEAD_LETTERS, [row | {"timestamp": time(row["timestamp"])} for row in rows])

    def remember(self, run: dict[str, str]) -> None:
        """Write into the table `run` what belongs together."""
        with self.engine.begin() as connection:
            upsert(connection, RUN, [{"name": name, "value": value} for name, value in run.items()])

    def run(self) -> dict[str, str]:
        """The table `run`: {name: value}."""
        with self.engine.connect() as connection:
            return dict(connection.execute(sa.select(RUN)).all())

    def totals(self) -> dict[str, int]:
        """{received, counted, duplicates, late, malformed}, in messages, of all batches that Spark has reported."""
        sums = [sa.func.coalesce(sa.func.sum(BATCHES.c[verdict]), 0) for verdict in VERDICTS]
        with self.engine.connect() as connection:
            return dict(zip(VERDICTS, connection.execute(sa.select(*sums)).one(), strict=True))

    def unreported(self) -> int:
        """How many batches are counted, but their numbers were lost with the process; the newest one not included."""
        newest = sa.select(sa.func.max(BATCHES.c.batch)).scalar_subquery()
        lost = sa.select(sa.func.count()).where(BATCHES.c.received.is_(None), BATCHES.c.batch < newest)
        with self.engine.connect() as connection:
            return connection.scalar(lost)

    def batches(self, last: int | None = None) -> list[Batch]:
        """All batches in order, or the `last` ones."""
        chosen = sa.select(BATCHES.c.ends, BATCHES.c.watermark, BATCHES.c.begun).order_by(BATCHES.c.batch.desc())
        with self.engine.connect() as connection:
            rows = connection.execute(chosen.limit(last)).all()
        return [Batch({int(p): o for p, o in ends.items()}, ms(mark), ms(begun)) for ends, mark, begun in rows[::-1]]

    def last_batch(self) -> int | None:
        """The number of the newest batch; None before the first."""
        with self.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.max(BATCHES.c.batch)))

    def newest(self) -> datetime | None:
        """The newest event time, or if Spark's report was lost, the start of the newest window; None without one."""
        with self.engine.connect() as connection:
            columns = (BATCHES.c.newest, WINDOWS.c.window_start)
            found = [connection.scalar(sa.select(sa.func.max(column))) for column in columns]
        return max(filter(None, found), default=None)

    def windows(self, since: datetime = datetime.min, until: datetime = datetime.max) -> pd.DataFrame:
        """The counts of the windows that start in this range, both ends included: (window_start, window_end, hashtag,
        tweets), sorted by window and hashtag."""
        chosen = (
            sa.select(WINDOWS.c.window_start, WINDOWS.c.window_end, WINDOWS.c.hashtag, WINDOWS.c.tweets)
            .where(WINDOWS.c.window_start.between(since, until))
            .order_by(WINDOWS.c.window_start, WINDOWS.c.hashtag)
        )
        with self.engine.connect() as connection:
            found = pd.DataFrame(connection.execute(chosen).all(), columns=list(chosen.selected_columns.keys()))
        return found.astype({"window_start": "datetime64[ns]", "window_end": "datetime64[ns]", "tweets": int})

    def ranking(self, top: int) -> pd.DataFrame:
        """The trending topics now, as `lib.ranking.ranking` gives them; reads only the windows that it shows."""
        run, newest, last = self.run(), self.newest(), None
        if newest:
            query = TrendQuery(run["window"], run["slide"], run["watermark"])
            slide = timedelta(milliseconds=query.slide_ms)
            start = WINDOWS.c.window_start
            complete = sa.select(sa.func.max(start)).where(start <= newest - timedelta(milliseconds=query.window_ms))
            with self.engine.connect() as connection:
                last = connection.scalar(complete)
        if not last:
            return ranking(self.windows(until=datetime.min), pd.Timestamp.min, top, pd.Timedelta(0))
        return ranking(self.windows(last - slide * TREND_WINDOWS, last), pd.Timestamp(newest), top, pd.Timedelta(slide))


def write_ahead(connection, _) -> None:
    """SQLite's write-ahead log: readers do not wait for the writer. FULL: a commit survives a power cut."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def upsert(connection: sa.Connection, table: sa.Table, rows: list[dict]) -> None:
    """INSERT the rows; if the key of a row exists, UPDATE the other columns that the row has."""
    if not rows:
        return
    statement = sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def time(ms_since_1970: int) -> datetime:
    """Milliseconds since 1970 as a time in UTC, without a zone."""
    return EPOCH + timedelta(milliseconds=ms_since_1970)


def ms(when: datetime) -> int:
    """A time in UTC, without a zone, as milliseconds since 1970."""
    return (when - EPOCH) // timedelta(milliseconds=1)
