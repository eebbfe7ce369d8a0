import pandas as pd

from lib.consumer.status import Status
from lib.live_table import to_html
from lib.trends import ranking

T = pd.Timestamp
STEP = pd.Timedelta("5 seconds")


def counts(*rows):
    """Rows of (window start in seconds, hashtag, tweets), for windows of 10 s."""
    at = [(T(start, unit="s"), T(start + 10, unit="s"), hashtag, n) for start, hashtag, n in rows]
    return pd.DataFrame(at, columns=["window_start", "window_end", "hashtag", "tweets"])


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
    assert ranking(counts(), newest=T.min, top=10, slide=STEP).empty


def test_html_says_what_happened():
    ranked = ranking(counts((0, "a", 5), (5, "a", 2), (5, "b", 2000)), newest=T(15, unit="s"), top=10, slide=STEP)
    html = to_html(ranked, {"received": 2007, "counted": 2000})
    assert "Trending topics, 00:00:05 to 00:00:15 UTC" in html and "2,007 received = 2,000 counted" in html
    assert "<td>#a</td>" in html and "▼ 3" in html and ">new</td>" in html and "2,000" in html and "100%" in html


def test_the_last_windows_make_a_trend():
    ranked = ranking(
        counts(*((5 * n, "a", n + 1) for n in range(20)), (95, "b", 30)), T(1000, unit="s"), top=5, slide=STEP
    )
    assert list(ranked["hashtag"]) == ["b", "a"] and list(ranked["share"]) == [0.6, 0.4]
    assert list(ranked["trend"]) == [[0] * 11 + [30], list(range(9, 21))]
    assert to_html(ranked, {}).count("<polyline") == 2


def test_the_line_above_says_how_the_query_is_doing():
    status = Status("running", batch_age=1.2, batch_seconds=0.43, per_second=498.2, behind=12, behind_seconds=1.0)
    html = to_html(ranking(counts(), T.min, 10, STEP), {"received": 0}, status)
    assert "running · last batch 1 s ago, took 0.4 s · 498 tweets/s · behind 12 messages, 1 s" in html
    failed = to_html(ranking(counts(), T.min, 10, STEP), {}, Status("failed", "a <bad> thing"))
    assert "a &lt;bad&gt; thing" in failed and "advice error" in failed


def test_hostile_hashtags_are_text():
    hostile = "<script>alert(1)</script>&\"'"
    html = to_html(ranking(counts((0, hostile, 1)), newest=T(10, unit="s"), top=1, slide=STEP), {})
    assert "<script" not in html and "&lt;script&gt;" in html


def test_before_the_first_window_the_table_says_so():
    assert "No complete window yet" in to_html(ranking(counts(), newest=T.min, top=10, slide=STEP), {"received": 0})
