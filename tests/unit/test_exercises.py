"""Exercises: no answer, wrong ones with the hint that fits, and the right one."""

import sqlite3
from contextlib import closing
from dataclasses import asdict

import pandas as pd
import pytest

from lib.consumer.store import Batch, Store
from lib.course.exercises import UNANSWERED, exercise, lesson_00, lesson_03
from lib.query import TrendQuery


@exercise
def twice(answer, of):
    return None if answer == 2 * of else f"{answer} is not twice {of}"


def test_a_check_says_one_of_three_things():
    assert twice(..., 2) is UNANSWERED and not UNANSWERED
    assert not twice(5, 2) and repr(twice(5, 2)) == "Not yet: 5 is not twice 2."
    assert twice(4, 2) and repr(twice(4, 2)) == "Correct."


@pytest.mark.parametrize("answer", [None, "x", [], {}, object(), 4.5])
def test_an_answer_of_any_kind_is_judged(answer):
    for check, by in (
        (twice, (None,)),
        (lesson_00.reasons, (None,)),
        (lesson_00.leaders, (None,)),
        (lesson_03.window_starts, ("12:00:30", "40 seconds", "10 seconds")),
        (lesson_03.own_query, ([], 20)),
    ):
        verdict = check(answer, *by)
        assert not verdict and verdict.text.startswith("Not yet: ")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "trends.db")
    store.create()
    reasons = ["b", "a", "b", "c", "b", "a"]
    row = {"partition": 0, "timestamp": 0, "value": b""}
    letters = [row | {"offset": n, "reason": reason} for n, reason in enumerate(reasons)]
    store.write(0, Batch({0: 6}, watermark=0, begun=0), [], {}, letters)
    yield store
    store.close()


GROUPED = "SELECT reason, COUNT(*) AS messages FROM dead_letters GROUP BY reason"


@pytest.mark.parametrize(
    "sql, hint",
    [
        ("SELEC", "does not understand"),
        ("SELECT * FROM nowhere", "no such table"),
        ("SELECT reason FROM dead_letters", "the columns are reason"),
        (None, "between quotation marks"),
        ("SELECT reason, 1 AS messages FROM dead_letters", "the same reason stands in several rows: GROUP BY reason"),
        ("SELECT reason, COUNT(*) AS messages FROM dead_letters", "one row, and there are 3 reasons"),
        (GROUPED + " HAVING messages > 1", "add up to 5, and there are 6"),
        (GROUPED + " ORDER BY messages", "the most frequent reason first"),
    ],
)
def test_lesson_00_reasons(store, sql, hint):
    assert hint in lesson_00.reasons(sql, store).text
    assert lesson_00.reasons(GROUPED + " ORDER BY messages DESC", store)


COUNTS = [(0, "a", 3), (0, "b", 1), (5, "a", 2), (5, "b", 2), (10, "a", 1), (10, "b", 4)]  # (start, hashtag, tweets)


def tops(*rows):
    """(start in seconds, hashtag, tweets), a row each, as a DataFrame."""
    made = pd.DataFrame(rows, columns=["window_start", "hashtag", "tweets"])
    return made.assign(window_start=pd.to_datetime(made["window_start"], unit="s"))


@pytest.fixture
def counted(store):
    query = TrendQuery("5 seconds", "5 seconds", "30 seconds")
    panes = [(start * 1000, *rest) for start, *rest in COUNTS]
    store.write(0, Batch({0: 9}, watermark=0, begun=0), panes, asdict(query))
    store.define_windows(query)
    return store


@pytest.mark.parametrize(
    "answer, hint",
    [
        ("SELECT * FROM windows", "pd.read_sql executes it"),
        ([], "a DataFrame, and this is a list"),
        (tops().drop(columns="tweets"), "no column tweets"),
        (tops((0, "a", 3), (5, "a", 2)), "there are 3 windows; the one that starts at 00:00:10"),
        (tops((0, "a", 3), (5, "a", 2), (10, "b", 4), (11, "b", 4)), "no window that starts at 1970-01-01 00:00:11"),
        (tops((0, "a", 3), (5, "a", 2), (10, "a", 1)), "another hashtag had more tweets than #a"),
        (tops((0, "a", 3), (5, "a", 2), (10, "a", 4)), "#a did not have 4 tweets"),
        (tops((0, "a", 3), (5, "a", 2), (10, "c", 4)), "#c did not have 4 tweets"),
        (tops(*COUNTS), "another hashtag had more tweets than #b"),
        (tops((0, "a", 3), (5, "a", 2), (5, "b", 2), (10, "b", 4)), "keep one row for each"),
        (tops((0, "a", 3), (0, "a", 3), (5, "a", 2), (10, "b", 4)), "keep one row for each"),
    ],
)
def test_lesson_00_leaders(counted, answer, hint):
    assert hint in lesson_00.leaders(answer, counted).text
    for number_one in ("a", "b"):  # of the window in which both have equally many
        assert lesson_00.leaders(tops((10, "b", 4), (0, "a", 3), (5, number_one, 2)), counted)
    for sql in ("MAX(tweets) AS tweets FROM windows GROUP BY window_start", "tweets FROM windows WHERE tweets > 1"):
        answer = pd.read_sql(f"SELECT window_start, hashtag, {sql}", counted.engine)
        assert lesson_00.leaders(answer, counted).correct == ("MAX" in sql)
    assert lesson_00.leaders(tops((0, "a", 3), (5, "a", 2), (10, "b", 4)).set_index("window_start"), counted)


@pytest.mark.parametrize(
    "answer, hint",
    [
        (["11:59:50", "12:00:00", "12:00:10", "12:00:20"], "a window excludes its end"),
        (["12:00:00", "12:00:10", "12:00:20"], "a window includes its start"),
        (["12:00:00", "12:00:10", "12:00:20", "12:00:30", "12:00:35"], "begin every 10 seconds"),
        (["12:00:00", "12:00:30"], "each moment lies in 4 windows; you have 2"),
        (["12:00:30"] * 4, "each moment"),
        ("12:00:00", "a list of texts"),
        (["12:00:00", "12:00"], "'12:00' has to be a time of day with seconds"),
        (["2026-01-01 12:00:00"], "in the form"),
    ],
)
def test_lesson_03_window_starts(answer, hint):
    question = ("12:00:30", "40 seconds", "10 seconds")
    assert hint in lesson_03.window_starts(answer, *question).text
    assert lesson_03.window_starts(["12:00:30", "12:00:20", "12:00:00", "12:00:10"], *question)
    assert lesson_03.window_starts(["23:59:50", "00:00:00"], "00:00:00", "20 seconds", "10 seconds")


EVENTS = ["01 a", "19 a", "07 a", "20 a"]
EXPECTED = {("2026-01-01 12:00:00", "a"): 3, ("2026-01-01 12:00:20", "a"): 1}


RIGHT = [(*key, n) for key, n in EXPECTED.items()]


@pytest.fixture
def own_query(tmp_path):
    """A function that judges a table `mine` with these rows and this key."""

    def judge(rows, key=""):
        with closing(sqlite3.connect(tmp_path / "own.db")) as connection, connection:
            if rows is not None:
                connection.execute(f"CREATE TABLE mine (window_start, hashtag, tweets{key})")
                connection.executemany("INSERT OR REPLACE INTO mine VALUES (?, ?, ?)", rows)
        return lesson_03.own_query(tmp_path / "own.db", EVENTS, 20).text

    return judge


@pytest.mark.parametrize(
    "rows, hint",
    [
        (None, "cannot be read: no such table"),
        ([], "the table mine is empty. Does the stream begin"),
        (RIGHT[:1], "1 of 2 windows of a hashtag are missing"),
        (RIGHT * 2, "another row has too"),
        ([(*key, n + 1) for key, n in EXPECTED.items()], "has the count 4, which is too high"),
        ([(*key, 1) for key in EXPECTED], "has the count 1, which is too low"),
        ([(start.replace("12:", "13:", 1), tag, n) for start, tag, n in RIGHT], "time zone"),
        ([(start[11:], tag, n) for start, tag, n in RIGHT], "has the window_start '12:00:00' and the hashtag 'a'"),
        ([(tag, start, n) for start, tag, n in RIGHT], "are the columns in the right order"),
        ([(start, n, tag) for start, tag, n in RIGHT], "are the columns in the right order"),
        ([*RIGHT, ("2026-01-01 12:00:00", "b", 1)], "too many"),
        ([("2026-01-01 12:00:00", "a", 4)], "How long are yours?"),
        (RIGHT, "the table lacks a key. What if"),
    ],
)
def test_lesson_03_own_query(tmp_path, own_query, rows, hint):
    assert "there is no file" in lesson_03.own_query(tmp_path / "none.db", EVENTS, 20).text
    assert hint in own_query(rows)


@pytest.mark.parametrize(
    "key, verdict",
    [
        (", PRIMARY KEY (hashtag, window_start)", "Correct."),
        (", UNIQUE (WINDOW_START, hashtag)", "Correct."),
        (", PRIMARY KEY (window_start, hashtag)) WITHOUT ROWID --", "Correct."),
        (", PRIMARY KEY (hashtag)", "Not yet: the key of mine is hashtag. Can two rows"),
        (", UNIQUE (window_start)", "Not yet: the key of mine is window_start. Can two rows"),
        (", PRIMARY KEY (window_start, hashtag, tweets)", "Not yet: the counts are right, but the table lacks a key."),
    ],
)
def test_lesson_03_own_query_has_a_key(own_query, key, verdict):
    rows = [(start.replace(" ", "T"), tag, n) for start, tag, n in RIGHT]
    assert own_query(rows, key).startswith(verdict)
