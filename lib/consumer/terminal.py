"""Trending topics in a terminal: a table with rich, and a status line."""

import time
from collections.abc import Callable

import pandas as pd
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lib.consumer.progress import Progress
from lib.consumer.running import Consumer
from lib.consumer.status import look


def table(ranking: pd.DataFrame, totals: dict[str, int]) -> Table:
    """The ranking, as `lib.ranking.ranking` gives it, and the totals, as a table."""
    received, *rest = [f"{n:,} {name}" for name, n in totals.items()]
    shown = Table(title="Trending topics", caption=f"{received} =\n{' + '.join(rest)}")
    for column in ("#", "hashtag", "tweets", "share", "change"):
        shown.add_column(column, justify="left" if column == "hashtag" else "right")
    for row in ranking.to_dict("records"):
        change = "new" if row["is_new"] else f"{row['change']:+d}" if row["change"] else "="
        shown.add_row(str(row["rank"]), "#" + row["hashtag"], str(row["tweets"]), f"{row['share']:.0%}", change)
    return shown


def print_table(progress: Progress) -> None:
    """Print the trending topics as they are now."""
    Console().print(table(progress.ranking(), progress.totals))


def show_while(condition: Callable[[], bool], consumer: Consumer) -> None:
    """Update the table and the status line while `condition()` is true; without a terminal, print a line a batch."""
    console = Console()
    progress, shown = consumer.progress, None
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while condition():
            if console.is_terminal:
                status = look(consumer)
                state = f" · state {status.state_rows:,} rows" if status.state_rows else ""
                line = f"{status}{state} · watermark {status.watermark[11:19] or '-'}"
                parts = (table(progress.ranking(), progress.totals), Text(line), Text(status.advice))
                live.update(Group(*parts), refresh=True)
            elif progress.last is not shown:
                shown = progress.last
                console.print(
                    f"batch {shown.number}: {shown.per_second:,.0f} tweets/s, {shown.seconds:.2f} s, "
                    f"watermark {shown.watermark[11:19] or '-'}", highlight=False,
                )  # fmt: skip
            time.sleep(0.5 if console.is_terminal else 0.1)
