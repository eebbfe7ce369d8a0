"""Ranking of the trending topics: window counts to the top hashtags of the newest complete window, in pandas."""

import pandas as pd

TREND_WINDOWS = 12
RANKING = ["rank", "hashtag", "tweets", "share", "change", "is_new", "trend", "window_start", "window_end"]


def ranking(counts: pd.DataFrame, newest: pd.Timestamp, top: int, slide: pd.Timedelta) -> pd.DataFrame:
    """The trending topics: the `top` hashtags of the newest complete window.

    That is the last window whose end is not after `newest`, the newest event time: the counts of a window that is
    still filling would always seem to fall. `counts` is (window_start, window_end, hashtag, tweets), a row for each
    window and hashtag. Returns the columns RANKING, a row for each hashtag, most tweets first, then by name: `share` of
    all hashtags in the window, 0 to 1; `change` from the window before, one `slide` earlier; `is_new` where that window
    does not have the hashtag; `trend` with the tweets in the last 12 windows, the oldest first.
    """
    complete = counts.loc[counts["window_end"] <= newest, "window_end"]
    if complete.empty:
        return pd.DataFrame(columns=RANKING)
    ends = [complete.max() - slide * back for back in reversed(range(TREND_WINDOWS))]
    history = counts.pivot(index="hashtag", columns="window_end", values="tweets")
    history = history.reindex(columns=ends).fillna(0).astype(int)
    now = history[ends[-1]]
    now = now[now > 0].sort_index().sort_values(ascending=False, kind="stable")
    ranked = now.head(top).rename("tweets").reset_index()
    past = ranked["hashtag"].map(history[ends[-2]])
    ranked["rank"] = ranked.index + 1
    ranked["share"] = ranked["tweets"] / now.sum()
    ranked["change"] = ranked["tweets"] - past
    ranked["is_new"] = past == 0
    ranked["trend"] = [history.loc[hashtag].tolist() for hashtag in ranked["hashtag"]]
    ranked["window_start"] = counts.loc[counts["window_end"] == ends[-1], "window_start"].iloc[0]
    ranked["window_end"] = ends[-1]
    return ranked[RANKING]


def to_dict(counts: pd.DataFrame) -> dict[tuple[int, str], int]:
    """{(window start in ms since 1970, hashtag): tweets} of (window_start, window_end, hashtag, tweets)."""
    starts = counts["window_start"].to_numpy("datetime64[ms]").astype("int64")
    return dict(zip(zip(starts, counts["hashtag"], strict=True), counts["tweets"], strict=True))
