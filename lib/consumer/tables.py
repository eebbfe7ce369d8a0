"""Tables of the store, the same in SQLite and PostgreSQL, and the upsert of rows into them. Times are UTC."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

EPOCH = datetime(1970, 1, 1)
VERDICTS = ("received", "counted", "duplicates", "late", "malformed")
INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}  # each with ON CONFLICT DO UPDATE
SECOND = sa.DateTime().with_variant(sqlite.DATETIME(truncate_microseconds=True), "sqlite")  # "2026-01-01 12:00:30"
BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite's integers have 64 bits anyway
BY_BYTES = sa.String().with_variant(sa.String(collation="C"), "postgresql")  # sorted as SQLite and Python sort

SCHEMA = sa.MetaData()
PANES = sa.Table(
    "panes", SCHEMA,
    sa.Column("pane_start", SECOND, nullable=False),
    sa.Column("hashtag", BY_BYTES, nullable=False),
    sa.Column("tweets", BIG),
    sa.Column("batch", sa.Integer),  # that last changed it
    sa.PrimaryKeyConstraint("pane_start", "hashtag").ddl_if(dialect="sqlite"),
    sqlite_with_rowid=False,
)  # fmt: skip
# A key of PostgreSQL's index has at most 2,704 bytes, and a hashtag may be as long as a message: so its hash is in it.
HASHED = (PANES.c.pane_start, sa.func.sha256(sa.cast(PANES.c.hashtag, sa.LargeBinary)))
sa.Index("panes_key", *HASHED, unique=True).ddl_if(dialect="postgresql")
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
    sa.Column("offset", BIG, primary_key=True),
    sa.Column("timestamp", sa.DateTime),  # Kafka's
    sa.Column("reason", sa.String),
    sa.Column("value", sa.LargeBinary),
)  # fmt: skip
RUN = sa.Table("run", SCHEMA, sa.Column("name", sa.String, primary_key=True), sa.Column("value", sa.String))


def upsert(connection: sa.Connection, table: sa.Table, rows: list[dict]) -> None:
    """INSERT the rows; if the key of a row exists, UPDATE the other columns that the row has."""
    if not rows:
        return
    dialect = connection.dialect.name
    statement = INSERT[dialect](table)
    keys = table.primary_key.columns.keys()
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    unique = HASHED if table is PANES and dialect == "postgresql" else keys
    connection.execute(statement.on_conflict_do_update(index_elements=unique, set_=changed), rows)


def time(ms_since_1970: int) -> datetime:
    """Milliseconds since 1970 as a time in UTC, without a zone."""
    return EPOCH + timedelta(milliseconds=ms_since_1970)


def ms(when: datetime) -> int:
    """A time in UTC, without a zone, as milliseconds since 1970."""
    return (when - EPOCH) // timedelta(milliseconds=1)
