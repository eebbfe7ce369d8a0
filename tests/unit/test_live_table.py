"""Ranking and live table: which hashtags trend, what the HTML shows of them, and how the widget ends."""

import time
from types import SimpleNamespace

import pandas as pd
import pytest

from lib.consumer.progress import BatchReport
from lib.consumer.status import Status
from lib.consumer.store import Store
from lib.live_table import LiveTable, to_html, widget
from lib.ranking import ranking
from lib.wait import wait_until

T = pd.Timestamp
STEP = pd.Timedelta("5 seconds")


def counts(*rows):
    """Rows of (window start in seconds, hashtag, tweets), for windows of 10 s."""
    at = [(T(start, unit="s"), T(start + 10, unit="s"), hashtag, n) for start, hashtag, n in rows]
    return pd.DataFrame(at, columns=["window_start", "window_end", "hashtag", "tweets"])


NOTHING = ranking(counts(), newest=T.min, top=10, slide=STEP)


def test_the_newest_complete_window_is_ranked():
    table = counts((0, "a", 5), (0, "b", 3), (5, "a", 4), (5, "c", 9), (5, "b", 4), (10, "a", 99))
    ranked = ranking(table, newest=T(19, unit="s"), top=10, slide=STEP)
    assert list(ranked["hashtag"]) == ["c", "a", "b"], "most tweets first, then by name"
    assert list(ranked["change"]) == [9, -1, 1] and list(ranked["is_new"]) == [True, False, False]
    assert list(ranked["rank"]) == [1, 2, 3]
    assert (ranked["window_end"] == T(15, unit="s")).all(), "the window until 20 still fills"
    assert list(ranking(table, newest=T(20, unit="s"), top=10, slide=STEP)["hashtag"]) == ["a"]
    assert len(ranking(table, newest=T(19, unit="s"), top=2, slide=STEP)) == 2


def test_the_window_before_is_one_slide_earlier_even_where_it_is_empty():
    ranked = ranking(counts((0, "a", 5), (600, "a", 7)), newest=T(700, unit="s"), top=1, slide=STEP)
    assert list(ranked["change"]) == [7] and list(ranked["is_new"]) == [True]


def test_without_a_complete_window_there_is_no_ranking():
    assert ranking(counts((0, "a", 5)), newest=T(9, unit="s"), top=10, slide=STEP).empty
    assert NOTHING.empty


def test_the_html_has_the_ranking_and_the_totals():
    table = counts((0, "a", 5), (0, "c", 3), (0, "d", 1), (5, "a", 2), (5, "b", 2000), (5, "c", 3), (5, "d", 4))
    html = to_html(ranking(table, newest=T(15, unit="s"), top=10, slide=STEP), {"received": 2007, "counted": 2000})
    assert "Trending topics, 00:00:05 to 00:00:15 UTC" in html and "2,007 received = 2,000 counted" in html
    assert "<td>#a</td>" in html and "2,000" in html and "100%" in html
    for change in ('"down">▼ 3<', '"up">▲ 3<', '"new">new<', "<td>=<"):
        assert change in html


def test_the_last_windows_make_a_trend():
    ranked = ranking(
        counts(*((5 * n, "a", n + 1) for n in range(20)), (95, "b", 30)), T(1000, unit="s"), top=5, slide=STEP
    )
    assert list(ranked["hashtag"]) == ["b", "a"] and list(ranked["share"]) == [0.6, 0.4]
    assert list(ranked["trend"]) == [[0] * 11 + [30], list(range(9, 21))]
    html = to_html(ranked, {})
    assert html.count("<polyline") == 2
    assert 'points="2,16 10,16 18,16 25,16 33,16 41,16 49,16 57,16 65,16 72,16 80,16 88,2"' in html


def test_the_line_above_has_the_status():
    batch = BatchReport(7, time.time() - 3, 0.43, 498.2, 0, "12:00:00", waiting=0, verdicts={})
    status = Status("running", "", batch, lag=12, lag_seconds=1.0)
    html = to_html(NOTHING, {"received": 0}, status)
    assert '<span class="dot running"></span>' + str(status) in html and 'class="advice' not in html
    assert 'class="advice"' in to_html(NOTHING, {}, Status("waiting", "a producer"))
    assert 'class="advice error"' in to_html(NOTHING, {}, Status("failed", "a fault"))
    unusual = to_html(NOTHING, {}, Status("running", "", batch, 0, 0.0, ("late 12 %: <b>", "malformed 9 %: &")))
    assert unusual.count('class="advice"') == 2 and "late 12 %: &lt;b&gt;" in unusual and "<b>late" not in unusual


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>&\"'", "</td></table><img src=x onerror=alert(1)>"])
def test_hostile_texts_are_text(hostile):
    ranked = ranking(counts((0, hostile, 1)), newest=T(10, unit="s"), top=1, slide=STEP)
    html = to_html(ranked, {hostile: 1}, Status("failed", hostile))
    assert hostile not in html and "<script" not in html and "<img" not in html
    assert html.count("alert(1)") == 3


def test_before_the_first_window_the_table_has_one_row_without_numbers():
    html = to_html(NOTHING, {"received": 0})
    assert "No complete window yet" in html and html.count("<tr>") == 2


class Running:
    """A stand-in for a consumer: it runs until `end`."""

    def __init__(self) -> None:
        self.active, self.topic, self.error = True, "topic", lambda: None
        self.top, self.store = 10, SimpleNamespace(ranking=lambda top: NOTHING, totals=dict)

    def end(self) -> None:
        self.active = False


@pytest.fixture
def shown(monkeypatch):
    """What the widget displayed; its status needs no broker here."""
    displayed = []
    monkeypatch.setattr(widget, "display", displayed.append)
    monkeypatch.setattr(widget, "status_of", lambda consumer: Status("running" if consumer.active else "stopped"))
    return displayed


def test_the_table_ends_with_its_with_and_leaves_plain_html(shown):
    with LiveTable(Running(), refresh_seconds=60) as table:
        assert table._thread.is_alive() and [each.disabled for each in table.buttons] == [False, True, False]
    table.close()
    assert not table._thread.is_alive() and all(each.disabled for each in table.buttons)
    assert shown[-1].data == table.table.value and "dot running" in shown[-1].data


@pytest.mark.parametrize(
    "end", [lambda table: table.end.click(), lambda table: table.consumer.end()], ids=["its button", "the consumer"]
)
def test_a_paused_table_stands_still_and_still_shows_the_end(shown, end):
    with LiveTable(Running(), refresh_seconds=0.01) as table:
        table.pause.click()
        wait_until(lambda: "paused" in table.table._dom_classes, 5)
        assert table.pause.disabled and not table.resume.disabled
        table.resume.click()
        assert table.resume.disabled and not table.pause.disabled
        table.pause.click()
        end(table)
        wait_until(lambda: not table._thread.is_alive(), 5)
        assert "dot stopped" in table.table.value and "paused" not in table.table._dom_classes


def test_a_database_that_cannot_be_read_is_told_and_the_table_keeps_refreshing(shown, tmp_path):
    consumer = Running()
    consumer.store = Store(tmp_path / "missing" / "trends.db")
    with LiveTable(consumer, refresh_seconds=0.01) as table:
        wait_until(lambda: "dot failed" in table.table.value, 5)
        assert "cannot be used" in table.table.value and str(tmp_path) in table.table.value
        assert table._thread.is_alive()
