"""Database of a store by its URL, SQLite or PostgreSQL: its engines, the lock of PostgreSQL's writer, its errors."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from lib.errors import QueryError, SettingError
from lib.wait import wait_until

DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
BUSY_SECONDS = 30  # how long a writer waits for another one's transaction
ANSWER_SECONDS = "5"  # how long a server may take to accept a connection
HANDOVER_SECONDS = 2  # how long a server may take to notice that the process of the last consumer has ended
LOCK = 3_142_857  # the advisory lock of a database's consumer; any number that no other program uses


def url_of(place: Path | str) -> sa.URL:
    """The URL of a SQLite file, or a URL of SQLAlchemy as it is; SettingError if no store can be there.

    The error does not repeat the text, which may contain a password.
    """
    if isinstance(place, Path):
        return sa.URL.create("sqlite", database=str(place))
    try:
        url = sa.make_url(place)
    except (ArgumentError, ValueError):
        url = sa.URL.create("invalid")
    if url.drivername not in DRIVERS or url.database in (None, "", ":memory:"):
        raise SettingError(
            "the store is not a URL of a database in SQLite or PostgreSQL",
            "use one such as sqlite:////folder/trends.db or postgresql+psycopg://user@localhost:5432/trends",
            option="store",
        )
    return url.set(database=str(Path(url.database).absolute())) if is_sqlite(url) else url


def name_of(url: sa.URL) -> str:
    """What messages call a database: the path of its file, or its URL without password and options."""
    return url.database if is_sqlite(url) else url.set(query={}).render_as_string(hide_password=True)


def is_sqlite(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite"


def reader(url: sa.URL) -> sa.Engine:
    """An engine with as many connections as are needed; SettingError if PostgreSQL's driver is not installed."""
    if is_sqlite(url):
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        sa.event.listen(engine, "connect", write_ahead)
        return engine
    return on_server(url, pool_pre_ping=True)


def writer(url: sa.URL) -> sa.Engine:
    """An engine of PostgreSQL with one connection, which has the database's advisory lock as long as it is open.

    So nothing is written without the lock, also after the server was restarted. QueryError if another one has it.
    """
    engine = on_server(url, pool_size=1, max_overflow=0, pool_timeout=BUSY_SECONDS)

    def lock(connection, _) -> None:
        def taken() -> bool:
            return connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()[0]

        try:
            wait_until(taken, HANDOVER_SECONDS)
        except TimeoutError:
            connection.close()
            raise in_use(name_of(url)) from None
        connection.commit()

    sa.event.listen(engine, "connect", lock)
    return engine


def on_server(url: sa.URL, **options: object) -> sa.Engine:
    try:
        return sa.create_engine(url.set(query={"connect_timeout": ANSWER_SECONDS} | dict(url.query)), **options)
    except ImportError as error:
        raise SettingError(
            f"the store {name_of(url)} needs the driver psycopg, which cannot be imported: {error}",
            "in the project's folder: pip install -e '.[postgresql]'",
            option="store", value=name_of(url),
        ) from None  # fmt: skip


def write_ahead(connection, _) -> None:
    """SQLite's write-ahead log: readers do not wait for the writer. FULL: a commit survives a power cut."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def in_use(used: str) -> QueryError:
    """The error for a store or a checkpoint that another consumer has."""
    return QueryError(
        f"another consumer uses {used}",
        "stop that one first (Ctrl-C, or its notebook's stop cell), or give this one another --output or --store",
        used=used,
    )


def lost(error: DBAPIError) -> bool:
    """Whether a server does not answer, or has ended the connection. It has no SQLSTATE to give then."""
    silent = isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", "") is None
    return error.connection_invalidated or silent


def unusable(url: sa.URL, error: DBAPIError) -> QueryError:
    """The error for a database that cannot be opened, read or written, with the remedy for its reason."""
    lines = [line for line in str(error.orig).splitlines() if not line.endswith(":")]  # "All failures were:"
    reason = lines[0].rpartition("FATAL:  ")[2]
    given = {"-h": url.host, "-p": url.port, "-U": url.username}
    there = " ".join([*(f"{flag} {value}" for flag, value in given.items() if value), url.database])
    if is_sqlite(url):
        remedy = "check that it is a database of a consumer and can be written, or use another: --output DIR"
    elif "password" in reason:
        remedy = "correct user and password in --store, or write the password into ~/.pgpass"
    elif "permission denied" in reason:
        remedy = f"an administrator types in psql: ALTER DATABASE {url.database} OWNER TO {url.username}"
    elif f'database "{url.database}"' in reason:
        remedy = f"create it: createdb {there}"
    elif lost(error):
        remedy = "start the server, or correct host and port in --store; started again, it continues where it was"
    else:
        remedy = f"look into it: psql {there}"
    name = name_of(url)
    return QueryError(f"the database {name} cannot be used: {reason}", remedy, database=name, reason=reason)
