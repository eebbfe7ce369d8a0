"""The tweet's way is seen: the trending topics as an HTML table, refreshed in the notebook while other cells run."""

import threading
from html import escape

import ipywidgets
import pandas as pd
from IPython.display import HTML, display

from lib.consumer.running import Consumer
from lib.consumer.status import Status, look
from lib.settings import settings

# JupyterLab's own colours where there are any, so that the table fits its light and its dark theme.
# `.trending` twice, where JupyterLab's own rules for the tables of an output would be stronger.
STYLE = """<style>
.trending { container-type: inline-size; max-width: 720px; font-size: 14px; line-height: 1.5;
  color: var(--jp-ui-font-color1, inherit); }
.trending .status { padding: 2px 8px; color: var(--jp-ui-font-color2, inherit); font-variant-numeric: tabular-nums; }
.trending .dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 6px; }
.trending .starting, .trending .waiting { background: #d9a406; } .trending .running { background: #2a9d4a; }
.trending .stopped { background: #8a8f98; } .trending .failed { background: #d1495b; }
.trending .advice { margin: 4px 8px; padding: 6px 10px; border-left: 4px solid #d9a406; }
.trending .advice.error { border-color: #d1495b; }
.trending.trending table { border-collapse: collapse; table-layout: fixed; width: 100%; margin: 0; font-size: 14px; }
.trending table caption { caption-side: top; text-align: left; padding: 2px 8px;
  color: var(--jp-ui-font-color2, inherit); }
.trending.trending table th, .trending.trending table td { height: 26px; padding: 2px 8px; text-align: left;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-variant-numeric: tabular-nums; line-height: 1.3;
  border-bottom: 1px solid var(--jp-border-color2, #ccc); }
.trending.trending table .n { text-align: right; }
.trending.trending tbody tr { background: none; }
.trending tbody td:nth-child(2) { unicode-bidi: plaintext; }
.paused .trending { opacity: 0.6; } .paused .trending .status::before { content: "paused · it was: "; }
.trending col.rank { width: 2.4em; } .trending col.tweets { width: 5em; } .trending col.change { width: 5em; }
.trending col.trend { width: 108px; }
.trending .bar { display: inline-block; height: 10px; background: #1f9acb; border-radius: 2px; margin-right: 6px; }
.trending .up { color: #2a9d4a; } .trending .down { color: #d1495b; } .trending .new { color: #c77700; }
.trending polyline { fill: none; stroke: #1f9acb; stroke-width: 1.6; }
@container (max-width: 480px) { .trending .wide { display: none; } }
</style>"""
COLUMNS = "".join(f"<col class='{c}'>" for c in ("rank", "hashtag", "tweets", "share wide", "change", "trend wide"))
HEAD = (
    "<tr><th class='n'>#</th><th>hashtag</th><th class='n'>tweets</th><th class='wide'>share</th><th>change</th>"
    "<th class='wide'>trend</th></tr>"
)


def to_html(ranking: pd.DataFrame, totals: dict[str, int], status: Status | None = None) -> str:
    """A ranking, as `lib.trends.ranking` gives it, the query's totals (messages) and its status, as HTML. No widget."""
    received, *rest = [f"{number:,} {name}" for name, number in totals.items()] or ["0 received"]
    title, caption = "Trending topics", f"{received} = {' + '.join(rest)}"
    body = "<tr><td colspan='6'>No complete window yet</td></tr>"
    if not ranking.empty:
        first = ranking.iloc[0]
        title += f", {first['window_start']:%H:%M:%S} to {first['window_end']:%H:%M:%S} UTC"
        body = "".join(to_row(row, ranking["share"].max()) for row in ranking.to_dict("records"))
    # No formulas: JupyterLab and nbconvert would typeset what stands between two dollar signs in a stranger's text.
    # aria-live off: a screen reader must not read the table aloud every five seconds.
    return (
        f"{STYLE}<div class='trending mathjax_ignore tex2jax_ignore' aria-live='off'>"
        f"{status_line(status) if status else ''}"
        f"<table><caption><b>{title}</b><br>{caption}</caption><colgroup>{COLUMNS}</colgroup>"
        f"<thead>{HEAD}</thead><tbody>{body}</tbody></table></div>"
    )


def status_line(status: Status) -> str:
    """The line above the table, and under it what to do, where there is something to do."""
    kind = "advice error" if status.state == "failed" else "advice"
    advice = f"<div class='{kind}' role='note'>{escape(status.advice)}</div>" if status.advice else ""
    return f"<div class='status'><span class='dot {status.state}'></span>{escape(str(status))}</div>{advice}"


def to_row(row: dict, largest_share: float) -> str:
    """One hashtag's row. Hashtags are strangers' text: this is the one place where they become HTML."""
    side, sign = ("up", "▲") if row["change"] > 0 else ("down", "▼") if row["change"] < 0 else ("", "=")
    change = f"<td class='{side}'>{sign} {abs(row['change']) or ''}</td>"
    if row["is_new"]:
        change = "<td class='new'>new</td>"
    bar = f"<span class='bar' style='width:{60 * row['share'] / largest_share:.0f}%'></span>{row['share']:.0%}"
    return (
        f"<tr><td class='n'>{row['rank']}</td><td>#{escape(row['hashtag'])}</td><td class='n'>{row['tweets']:,}</td>"
        f"<td class='wide'>{bar}</td>{change}<td class='wide'>{trend_line(row['trend'])}</td></tr>"
    )


def trend_line(counts: list[int]) -> str:
    """The counts of the last windows as a small line, 90 by 18 pixels, the highest at the top."""
    step, top = 86 / max(1, len(counts) - 1), max(*counts, 1)
    points = " ".join(f"{2 + n * step:.0f},{16 - 14 * count / top:.0f}" for n, count in enumerate(counts))
    label = f"in the last windows: {', '.join(map(str, counts))}"
    return f"<svg width='90' height='18' role='img' aria-label='{label}'><polyline points='{points}'/></svg>"


class LiveTable:
    """A table that refreshes itself every `refresh_seconds`; the cell that shows it returns at once.

    Its buttons, which answer while other cells run: *Pause* lets the table stand still while the query goes on,
    *Resume* moves it again, *Stop* ends the query.
    """

    def __init__(self, consumer: Consumer, refresh_seconds: float = settings.refresh_seconds) -> None:
        self.consumer, self.refresh_seconds = consumer, refresh_seconds
        self.table = ipywidgets.HTML(self.html())
        self.pause, self.resume, self.end = (
            ipywidgets.Button(description=text, icon=icon, layout={"width": "110px"})
            for text, icon in (("Pause", "pause"), ("Resume", "play"), ("Stop", "stop"))
        )
        self.pause.on_click(lambda _: self._pause(True))
        self.resume.on_click(lambda _: self._pause(False))
        self.end.on_click(lambda _: self._end())
        self.resume.disabled = True
        for button in (self.pause, self.resume, self.end):
            # JupyterLab sends a click to a thread of the kernel's own, a subshell, so that it need not wait for the
            # cell that runs. ipykernel 7.4 sends it back to the cells' thread, where the button was made: undone here.
            button.comm._reply_subshell_for = lambda _, subshell: subshell
        self._paused, self._wake, self._over = False, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._refresh, daemon=True, name="live table")

    def html(self) -> str:
        """The table as it is now."""
        return to_html(self.consumer.tally.ranking(), self.consumer.tally.totals, look(self.consumer))

    def show(self) -> "LiveTable":
        """Display the table and begin to refresh it."""
        display(ipywidgets.VBox([ipywidgets.HBox([self.pause, self.resume, self.end]), self.table]))
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the refreshing, and leave the last table as plain HTML, which needs no kernel. Safe to call twice."""
        self._finish()
        if self._thread.is_alive():
            self._thread.join()
        self.table.value = self.html()
        display(HTML(self.table.value))

    def _refresh(self) -> None:
        # From a thread only `.value` is safe: print and display would land in whichever cell runs now.
        while not self._over.is_set():
            self._wake.wait(self.refresh_seconds)
            self._wake.clear()
            active = self.consumer.active  # asked first, so that the last table shows the end, even a paused one's
            if not self._paused or not active:
                self.table.value = self.html()
            if not active:
                self._finish()

    def _pause(self, paused: bool) -> None:
        self._paused, self.pause.disabled, self.resume.disabled = paused, paused, not paused
        (self.table.add_class if paused else self.table.remove_class)("paused")
        self._wake.set()

    def _end(self) -> None:
        self.end.disabled = True
        threading.Thread(target=self._end_query, daemon=True).start()

    def _end_query(self) -> None:
        self.consumer.end()
        self._pause(False)

    def _finish(self) -> None:
        self._over.set()
        self._wake.set()
        self.table.remove_class("paused")
        for button in (self.pause, self.resume, self.end):
            button.disabled = True
