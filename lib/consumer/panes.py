"""Panes: the counts of short intervals that do not overlap, of which sliding windows are sums.

A window of 30 s that slides by 5 s consists of six panes of 5 s. Spark counts each hashtag of a tweet once, in its
pane, instead of six times, and the store gets a sixth of the rows. A reader adds up: here in pandas, or by the SQL view
`windows`. The sums are the counts that Spark would give for the windows, with late tweets, too: a tweet is late by its
own time, not by that of a window.
"""

import pandas as pd

from lib.query import TrendQuery

WINDOWS = ["window_start", "window_end", "hashtag", "tweets"]

# For each dialect: the times from which `seconds` back a window starts that has this pane; those that are no multiple
# of the slide are no windows.
BACK = {
    "sqlite": "WITH RECURSIVE back(seconds) AS (SELECT 0 UNION ALL SELECT seconds + {pane} FROM back"
    " WHERE seconds + {pane} < {window}), "
    "part AS (SELECT datetime(pane_start, -seconds || ' seconds') AS window_start, hashtag, tweets, batch"
    " FROM panes CROSS JOIN back WHERE (CAST(strftime('%s', pane_start) AS INTEGER) - seconds) % {slide} = 0) "
    "SELECT window_start, datetime(window_start, '{window} seconds') AS window_end",
    "postgresql": "WITH part AS (SELECT pane_start - make_interval(secs => seconds) AS window_start, hashtag, tweets,"
    " batch FROM panes CROSS JOIN generate_series(0, {window} - {pane}, {pane}) AS back(seconds)"
    " WHERE (CAST(extract(epoch FROM pane_start) AS BIGINT) - seconds) % {slide} = 0) "
    "SELECT window_start, window_start + make_interval(secs => {window}) AS window_end",
}
SUM = ", hashtag, CAST(SUM(tweets) AS BIGINT) AS tweets, MAX(batch) AS batch FROM part GROUP BY window_start, hashtag"


def view(query: TrendQuery, dialect: str) -> str:
    """The SELECT of the view `windows`: (window_start, window_end, hashtag, tweets, batch that last changed it)."""
    seconds = {"window": query.window_ms, "slide": query.slide_ms, "pane": query.pane_ms}
    return (BACK[dialect] + SUM).format(**{name: ms // 1000 for name, ms in seconds.items()})


def windows_of(panes: pd.DataFrame, query: TrendQuery) -> pd.DataFrame:
    """Panes (pane_start, hashtag, tweets) to the counts of their windows: WINDOWS, sorted by window and hashtag."""
    window, slide = pd.Timedelta(query.window_ms, "ms"), pd.Timedelta(query.slide_ms, "ms")
    backs = range(0, query.window_ms, query.pane_ms)
    parts = [panes.assign(window_start=panes["pane_start"] - pd.Timedelta(back, "ms")) for back in backs]
    parts = pd.concat([part[part["window_start"] == part["window_start"].dt.floor(slide)] for part in parts])
    found = parts.groupby(["window_start", "hashtag"], as_index=False)["tweets"].sum()
    return found.assign(window_end=found["window_start"] + window)[WINDOWS]
