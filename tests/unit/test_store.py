"""The store of a trend query, without Spark: a batch written again changes nothing, and nothing is lost or guessed."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from datetime import datetime

import pandas as pd
import pytest
from sqlalchemy import event, select

from lib import recount
from lib.consumer.progress import add_up
from lib.consumer.store import DEAD_LETTERS, PANES, Batch, Store
from lib.query import TrendQuery
from lib.ranking import to_dict

NOON = 1767268800000  # 2026-01-01T12:00:00Z
QUERY = TrendQuery("10 seconds", "5 seconds", "30 seconds")
VERDICTS = {"received": 9, "counted": 5, "duplicates": 2, "late": 1, "malformed": 1}


@pytest.fixture
def store(place):
    made = Store(place)
    made.create()
    made.remember(asdict(QUERY))
    made.define_windows(QUERY)
    yield made
    made.close()


def counts(tweets: int, *starts: int, hashtag: str = "a") -> list[tuple]:
    """Rows of panes of 5 s that start so many seconds after noon."""
    return [(NOON + s * 1000, hashtag, tweets) for s in starts]


def write(store, number: int, rows: list[tuple], ends: dict | None = None, letters: list[dict] = ()) -> None:
    batch = Batch(ends or {0: 10 * number}, NOON, NOON + number)
    store.write(number, batch, rows, {"checkpoint_id": "c"}, letters)


def test_a_batch_that_is_written_again_puts_the_same_values_under_the_same_keys(store):
    write(store, 0, counts(3, 0, 5))
    write(store, 1, counts(4, 5, 10))
    before = store.windows(), store.batches()
    write(store, 1, counts(4, 5, 10))
    assert store.windows().equals(before[0]) and store.batches() == before[1]
    assert before[0].tweets.tolist() == [3, 7, 8, 4] and before[1][1] == Batch({0: 10}, NOON, NOON + 1)


def test_a_batch_is_one_transaction(store):
    write(store, 0, counts(3, 0))

    def fail_at_the_end(connection, cursor, statement, *_):
        if "INTO batches" in statement:
            raise RuntimeError("killed")

    event.listen(store.writer, "before_cursor_execute", fail_at_the_end)
    with pytest.raises(RuntimeError):
        write(store, 1, counts(9, 0, 5))
    event.remove(store.writer, "before_cursor_execute", fail_at_the_end)
    assert store.windows().tweets.tolist() == [3, 3] and store.last_batch() == 0


def test_what_spark_did_not_report_is_told_and_not_guessed(store):
    for number in range(3):
        write(store, number, counts(1, 5 * number))
    store.report(0, NOON + 9000, VERDICTS)
    assert store.totals() == VERDICTS
    assert store.unreported() == 1, "batch 1; the report of the newest one may still come"
    write(store, 0, counts(1, 0))
    assert store.totals() == VERDICTS, "a batch that is replayed keeps its numbers until they are reported again"
    store.report(2, NOON + 9000, {})
    assert store.unreported() == 2, "the newest one, too: its report has come, and was wrong"
    store.report(2, None, dict.fromkeys(VERDICTS, 0))
    assert store.totals() == VERDICTS


def test_numbers_that_count_repeated_tasks_twice_do_not_add_up():
    once = {"received": 12, "counted": 5, "duplicates": 4, "late": 2, "malformed": 1}
    assert add_up(once, most=12) and add_up(once, most=20), "20: some offsets are of aborted transactions"
    assert not add_up(once | {"received": 15}, most=20), "some tasks were repeated"
    assert not add_up({name: 2 * number for name, number in once.items()}, most=12), "all tasks were repeated"


def test_an_empty_store_has_nothing(store):
    assert store.totals() == dict.fromkeys(VERDICTS, 0) and store.batches() == [] and store.last_batch() is None
    assert store.newest() is None and store.windows().empty and store.ranking(10).empty


def test_a_dead_letter_is_kept_once(store):
    letter = {"partition": 0, "offset": 7, "timestamp": NOON, "reason": "not UTF-8", "value": b"\xff"}
    for letters in ([letter, letter | {"offset": 8, "value": None}], [letter], []):
        write(store, 0, [], letters=letters)
    with store.engine.connect() as connection:
        rows = connection.execute(select(DEAD_LETTERS).order_by(DEAD_LETTERS.c.offset)).all()
    assert [tuple(row) for row in rows] == [
        (0, 7, datetime(2026, 1, 1, 12), "not UTF-8", b"\xff"), (0, 8, datetime(2026, 1, 1, 12), "not UTF-8", None)
    ]  # fmt: skip


@pytest.mark.parametrize("newest, shown", [(14_999, 0), (15_000, 5), (19_999, 5), (20_000, 10)])
def test_the_ranking_is_that_of_the_newest_complete_window(store, newest, shown):
    write(store, 0, [row for s in (0, 5, 10) for row in counts(s + 1, s)])
    store.report(0, NOON + newest, VERDICTS)
    (row,) = store.ranking(10).to_dict("records")
    assert row["window_start"] == pd.Timestamp(NOON + shown * 1000, unit="ms")
    assert row["trend"][-3:] == {0: [0, 1, 7], 5: [1, 7, 17], 10: [7, 17, 11]}[shown]


def test_the_ranking_is_that_of_the_last_window_with_a_hashtag(store):
    write(store, 0, counts(4, 0))
    store.report(0, NOON + 60_000, VERDICTS)
    (row,) = store.ranking(10).to_dict("records")
    assert row["window_start"] == pd.Timestamp(NOON, unit="ms") and row["trend"][-3:] == [0, 4, 4]


def test_without_spark_s_report_the_newest_pane_s_start_is_the_newest_time(store):
    write(store, 0, [row for s in (0, 5, 10) for row in counts(1, s)])
    assert store.newest() == datetime(2026, 1, 1, 12, 0, 10)
    assert store.ranking(10).window_start[0] == pd.Timestamp(NOON, unit="ms")


def test_a_ranking_reads_only_the_windows_that_it_shows(store):
    write(store, 0, [row for s in range(0, 5000, 5) for row in counts(1, s)])
    store.report(0, NOON + 5_000_000, VERDICTS)
    read = []
    event.listen(store.engine, "before_cursor_execute", lambda c, cursor, text, values, *_: read.append((text, values)))
    store.ranking(10)
    text, values = next((text, values) for text, values in read if "panes.tweets" in text)
    with store.writer.begin() as connection:
        assert len(connection.exec_driver_sql(text, values).all()) == 14
        connection.exec_driver_sql("ANALYZE")
        explain = "EXPLAIN QUERY PLAN " if store.path else "EXPLAIN "
        plan = " ".join(str(row) for row in connection.exec_driver_sql(explain + text, values))
    assert "SEARCH" in plan or "Index" in plan, "by its key, however many windows were ever counted"
    assert "SCAN" not in plan and "Seq" not in plan


def test_a_student_s_sql(store):
    write(store, 0, counts(3, 0, 5))
    found = pd.read_sql("SELECT tweets FROM windows WHERE window_start = '2026-01-01 12:00:00'", store.engine)
    assert found["tweets"].tolist() == [6]
    assert PANES.primary_key.columns.keys() == ["pane_start", "hashtag"]


@pytest.mark.parametrize("window, slide", [(10, 5), (30, 20), (7, 7), (20, 15), (60, 1)])
def test_the_view_and_pandas_add_up_the_same_windows(place, window, slide):
    query = TrendQuery(f"{window} seconds", f"{slide} seconds", "30 seconds")
    pane, chance = query.pane_ms, random.Random(1)
    rows = {(NOON // pane * pane + pane * chance.randrange(-20, 20), chance.choice("aéZ")) for _ in range(60)}
    rows = {key: chance.randrange(1, 9) for key in rows}
    expected = Counter()
    for (start, hashtag), tweets in rows.items():
        for each in recount.window_starts(start, window * 1000, slide * 1000):
            expected[each, hashtag] += tweets
    with closing(Store(place)) as store:
        store.create()
        store.remember(asdict(query))
        store.define_windows(query)
        for number, (key, tweets) in enumerate(rows.items()):
            write(store, number, [(*key, tweets)])
        found, times = store.windows(), ["window_start", "window_end"]
        assert to_dict(found) == expected and list(found) == [*times, "hashtag", "tweets"]
        seen = pd.read_sql("SELECT * FROM windows", store.engine, parse_dates=times)
        assert to_dict(seen) == expected and seen["batch"].max() == len(rows) - 1
        assert set(seen["window_end"] - seen["window_start"]) == {pd.Timedelta(window, "s")}
        some = store.windows(found["window_start"][5], found["window_start"][9])
        assert some.equals(found[found["window_start"].isin(some["window_start"])].reset_index(drop=True))


def test_a_store_is_in_any_folder(tmp_path):
    with closing(Store.in_folder(tmp_path / "a folder ñ")) as store:
        assert not store.exists()
        store.create()
        assert store.exists() and str(store) == str(tmp_path / "a folder ñ" / "trends.db")
        assert store.url == Store(f"sqlite:///{store}").url


def test_hashtags_of_any_length_are_counted_and_sorted_by_their_bytes(store):
    long = "".join(random.Random(1).choices("abcdefghij", k=900_000))  # random: PostgreSQL compresses a key
    hashtags = ["a", "Z", "é", "_", "हिन्दी", "😀", "z" * 3000, long, long + "x"]
    for tweets in (1, 2):
        write(store, 0, [row for hashtag in hashtags for row in counts(tweets, 0, hashtag=hashtag)])
    found = store.windows()
    assert found["hashtag"].tolist() == sorted(hashtags) * 2 and set(found["tweets"]) == {2}


def test_large_offsets_and_times_of_any_year(store):
    letter = {"partition": 0, "offset": 2**62, "timestamp": -(8 * 10**12), "reason": "r", "value": b"\x00"}
    write(store, 0, [(-(8 * 10**12), "a", 2**40)], ends={0: 2**62}, letters=[letter])
    assert store.batches()[0].ends == {0: 2**62} and store.windows()["tweets"].tolist() == [2**40] * 2
    assert str(store.windows()["window_start"][1]) == "1716-06-28 09:46:40"


def test_several_readers_see_whole_batches_while_one_writes(store):
    def look(_) -> int:
        seen = set()
        with closing(Store(store.url.render_as_string(hide_password=False))) as reading:
            while reading.last_batch() != 40:
                found = reading.windows()
                assert found["tweets"].nunique() <= 1, "all panes of a batch change together"
                seen.add(tuple(found["tweets"][:1]))
        return len(seen)

    with ThreadPoolExecutor(4) as readers:
        looks = readers.map(look, range(4))
        for number in range(41):
            write(store, number, counts(number, *range(0, 500, 10)))
        assert min(looks) > 3
    assert store.windows()["tweets"].tolist() == [40] * 100
