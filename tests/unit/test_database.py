"""Database of a store by its URL: what is refused and with which remedy, who may write, and no word of a password."""

import subprocess
import sys
import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from lib.consumer import database, store
from lib.consumer.store import Store
from lib.consumer.tables import RUN
from lib.errors import CourseError, QueryError, SettingError
from lib.wait import wait_until

PASSWORD = "open-sesame"


@pytest.fixture(scope="session")
def reader(postgresql_server):
    """A user of the server who may not create tables."""
    postgresql_server.sql(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")


@pytest.mark.parametrize(
    "url",
    [
        "trends.db", "sqlite://", "sqlite:///:memory:", "mysql://u:open-sesame@h/d", "postgresql+psycopg://u:p@h:x/d",
        "postgresql+psycopg://u:open-sesame@h", "postgresql+asyncpg://u:open-sesame@h/d", "//u:open-sesame@h/d", "",
    ],
)  # fmt: skip
def test_what_is_not_a_database_for_a_store_is_refused(url):
    with pytest.raises(SettingError) as refused:
        Store(url)
    assert refused.value.data == {"option": "store"} and PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "change, remedy",
    [
        ({"password": "wrong"}, "~/.pgpass"),
        ({"password": ""}, "~/.pgpass"),
        ({"database": "missing"}, "createdb -h 127.0.0.1 "),
        ({"username": "reader", "password": PASSWORD}, "ALTER DATABASE trends OWNER TO reader"),
        ({"port": 1}, "start the server"),
        ({"host": "nowhere.invalid"}, "start the server"),
        ({"query": {"nonsense": PASSWORD}}, "psql -h 127.0.0.1 -p "),
    ],
)
def test_a_database_that_cannot_be_used_is_told_with_a_remedy_at_once(reader, postgresql, change, remedy):
    url = sa.make_url(postgresql.url("trends")).set(**change)
    with closing(Store(url.render_as_string(hide_password=False))) as refused, pytest.raises(QueryError) as told:
        refused.create()
    assert remedy in told.value.remedy and told.value.data["reason"] and "\n" not in told.value.what
    for secret in (postgresql.password, PASSWORD, "wrong"):
        assert secret not in f"{told.value} {told.value.data} {refused} {refused!r}"


def test_the_remedy_for_a_missing_permission_works(reader, postgresql):
    postgresql.sql("ALTER DATABASE trends OWNER TO reader")
    with closing(Store(postgresql.url("trends", "reader", PASSWORD))) as opened:
        assert not opened.exists()
        opened.create()
        assert opened.exists()


def test_without_the_driver_the_remedy_installs_it():
    code = "import sys; sys.modules['psycopg'] = None; from lib.consumer.store import Store; Store(sys.argv[1])"
    url = f"postgresql://u:{PASSWORD}@localhost/trends"
    said = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True).stderr
    assert "SettingError: " in said and "pip install -e '.[postgresql]'" in said and PASSWORD not in said


def test_two_stores_on_one_database_cannot_both_write_and_both_can_read(postgresql):
    with closing(Store(postgresql.url("trends"))) as one, closing(Store(postgresql.url("trends"))) as other:
        one.create()
        with pytest.raises(QueryError) as refused:
            other.remember({"a": "b"})
        assert refused.value.data == {"used": str(other)} and postgresql.password not in str(refused.value)
        assert other.run() == {}
        one.close()
        other.remember({"a": "b"})
        with pytest.raises(QueryError):
            one.remember({"a": "c"})
        assert one.run() == {"a": "b"}


def test_a_killed_writer_no_longer_has_the_database(postgresql):
    code = "import os, sys; from lib.consumer.store import Store; Store(sys.argv[1]).create(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, postgresql.url("trends")])
    with closing(Store(postgresql.url("trends"))) as another:
        another.remember({"a": "b"})
        assert another.run() == {"a": "b"}


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_write_waits_for_a_server_that_comes_back(postgresql, mode):
    with closing(Store(postgresql.url("trends"))) as waiting:
        waiting.create()
        postgresql.stop(mode)
        try:
            writing = threading.Thread(target=waiting.remember, args=({"a": "b"},))
            writing.start()
            with pytest.raises(QueryError):
                waiting.run()
        finally:
            postgresql.start()
        writing.join(database.BUSY_SECONDS)
        assert waiting.run() == {"a": "b"}
        with closing(Store(postgresql.url("trends"))) as other, pytest.raises(QueryError):
            other.create()


def test_a_transaction_of_which_the_server_ended_the_connection_is_done_again(postgresql):
    with closing(Store(postgresql.url("trends"))) as ended:
        ended.create()
        seen = []

        def work(connection) -> None:
            connection.execute(sa.insert(RUN).values(name=str(len(seen)), value=""))
            seen.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar())
            if len(seen) == 1:
                postgresql.sql(f"SELECT pg_terminate_backend({seen[0]}, 5000)")

        ended.transact(work)
        assert len(set(seen)) == 2 and ended.run() == {"1": ""}


def test_a_server_that_stays_away_ends_the_wait(postgresql, monkeypatch):
    monkeypatch.setattr(store, "OUTAGE_SECONDS", 1)
    with closing(Store(postgresql.url("trends"))) as alone:
        alone.create()
        postgresql.stop()
        try:
            with pytest.raises(QueryError) as told:
                alone.remember({"a": "b"})
        finally:
            postgresql.start()
        assert "start the server" in told.value.remedy
        alone.remember({"a": "c"})
        assert alone.run() == {"a": "c"}


def test_another_one_that_came_in_the_meantime_keeps_the_database(postgresql):
    """The lock ends with the server: whoever writes first after it has the database."""
    with closing(Store(postgresql.url("trends"))) as first, closing(Store(postgresql.url("trends"))) as second:
        first.create()
        postgresql.stop()
        postgresql.start()
        wait_until(lambda: free(second), seconds=10)
        with pytest.raises(QueryError) as refused:
            first.remember({"a": "b"})
        assert refused.value.data == {"used": str(first)} and second.run() == {}


def free(other: Store) -> bool:
    try:
        other.claim()
    except CourseError:
        return False
    return True


def test_a_deleted_store_is_gone(place):
    with closing(Store(place)) as deleted:
        deleted.create()
        deleted.delete()
        assert not deleted.exists()
        deleted.create()
        assert deleted.exists()
