import pandas as pd

from lib.live_table import to_html
from lib.trends import ranking

T = pd.Timestamp


def counts(*rows):
    """Rows of (window start in seconds, hashtag, tweets), for windows of 10 s."""
    at = [(T(start, unit="s"), T(start + 10, unit="s"), hashtag, n) for start, hashtag, n in rows]
    return pd.DataFrame(at, columns=["window_start", "window_end", "hashtag", "tweets"])


def test_the_newest_complete_window_is_ranked():
    table = counts((0, "a", 5), (0, "b", 3), (5, "a", 4), (5, "c", 9), (5, "b", 4), (10, "a", 99))
    ranked = ranking(table, newest=T(19, unit="s"), top=10)
    assert list(ranked["hashtag"]) == ["c", "a", "b"], "most tweets first, then by name"
    assert list(ranked["change"]) == [9, -1, 1] and list(ranked["is_new"]) == [True, False, False]
    assert list(ranked["rank"]) == [1, 2, 3]
    assert (ranked["window_end"] == T(15, unit="s")).all(), "the window until 20 still fills"
    assert list(ranking(table, newest=T(20, unit="s"), top=10)["hashtag"]) == ["a"]
    assert len(ranking(table, newest=T(19, unit="s"), top=2)) == 2


def test_without_a_complete_window_there_is_no_ranking():
    assert ranking(counts((0, "a", 5)), newest=T(9, unit="s"), top=10).empty
    assert ranking(counts(), newest=T.min, top=10).empty


def test_html_says_what_happened():
    ranked = ranking(counts((0, "a", 5), (5, "a", 2), (5, "b", 2000)), newest=T(15, unit="s"), top=10)
    html = to_html(ranked, {"received": 2007, "counted": 2000})
    assert "00:00:05 to 00:00:15 UTC" in html and "2,007 received" in html
    assert "<td>#a</td>" in html and "▼ 3" in html and "new" in html and "2,000" in html


def test_hostile_hashtags_are_text():
    hostile = "<script>alert(1)</script>&\"'"
    html = to_html(ranking(counts((0, hostile, 1)), newest=T(10, unit="s"), top=1), {})
    assert "<script" not in html and "&lt;script&gt;" in html


def test_before_the_first_window_the_table_says_so():
    assert "No complete window yet" in to_html(ranking(counts(), newest=T.min, top=10), {"received": 0})
