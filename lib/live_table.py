"""The tweet's way is seen: the trending topics as an HTML table, refreshed in the notebook while other cells run."""

import threading
from html import escape

import ipywidgets
import pandas as pd
from IPython.display import HTML, display

from lib.settings import settings
from lib.tally import Tally

# JupyterLab's own colours where there are any, so that the table fits its light and its dark theme.
STYLE = """<style>
table.trending { border-collapse: collapse; table-layout: fixed; width: 100%; max-width: 600px; margin: 0;
  font-size: 14px; color: var(--jp-ui-font-color1, inherit); }
table.trending caption { text-align: left; padding: 4px 8px; color: var(--jp-ui-font-color2, inherit); }
table.trending th, table.trending td { padding: 4px 8px; text-align: left; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; font-variant-numeric: tabular-nums; border-bottom: 1px solid var(--jp-border-color2, #ccc); }
table.trending th:nth-child(1) { width: 2em; } table.trending th:nth-child(3) { width: 45%; }
table.trending th:nth-child(4) { width: 5em; }
table.trending .bar { display: inline-block; height: 10px; margin-right: 8px; background: #1f9acb; border-radius: 2px; }
table.trending .up { color: #2a9d4a; } table.trending .down { color: #d1495b; }
</style>"""


def to_html(ranking: pd.DataFrame, totals: dict[str, int]) -> str:
    """A ranking, as `lib.trends.ranking` gives it, and the query's totals (messages) as an HTML table."""
    received, *rest = [f"{number:,} {name}" for name, number in totals.items()] or ["0 received"]
    counted = f"{received} = {' + '.join(rest)}"
    if ranking.empty:
        return f"{STYLE}<table class='trending'><caption>No complete window yet<br>{counted}</caption></table>"
    first = ranking.iloc[0]
    window = f"{first['window_start']:%H:%M:%S} to {first['window_end']:%H:%M:%S} UTC"
    rows = "".join(to_row(row, ranking["tweets"].max()) for row in ranking.to_dict("records"))
    return (
        f"{STYLE}<table class='trending'><caption>Trending topics, {window}<br>{counted}</caption>"
        f"<thead><tr><th>#</th><th>hashtag</th><th>tweets</th><th>change</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def to_row(row: dict, most: int) -> str:
    """One hashtag's row. Hashtags are strangers' text: this is the one place where they become HTML."""
    if row["is_new"]:
        change = "<td class='up'>new</td>"
    else:
        side, sign = ("up", "▲") if row["change"] > 0 else ("down", "▼") if row["change"] < 0 else ("", "=")
        change = f"<td class='{side}'>{sign} {abs(row['change']) or ''}</td>"
    bar = f"<span class='bar' style='width:{round(60 * row['tweets'] / most)}%'></span>{row['tweets']:,}"
    return f"<tr><td>{row['rank']}</td><td>#{escape(row['hashtag'])}</td><td>{bar}</td>{change}</tr>"


class LiveTable:
    """A table that refreshes itself every `refresh_seconds` until `stop()`; the cell that shows it returns at once."""

    def __init__(self, tally: Tally, refresh_seconds: float = settings.refresh_seconds) -> None:
        self.tally, self.refresh_seconds = tally, refresh_seconds
        self.widget = ipywidgets.HTML(self.html())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._refresh, daemon=True, name="live table")

    def html(self) -> str:
        """The table as it is now."""
        return to_html(self.tally.ranking(), self.tally.totals)

    def show(self) -> "LiveTable":
        """Display the table and begin to refresh it."""
        display(self.widget)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the refreshing, and leave the last table as plain HTML, which needs no kernel. Safe to call twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.widget.value = self.html()
        display(HTML(self.widget.value))

    def _refresh(self) -> None:
        # From a thread only `.value` is safe: print and display would land in whichever cell runs now.
        while not self._stop.wait(self.refresh_seconds) and not self.tally.terminated.is_set():
            self.widget.value = self.html()
