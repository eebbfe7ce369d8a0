"""Trending topics in a terminal: a table with rich, and a status line."""

import time
from collections.abc import Callable
from contextlib import suppress

import pandas as pd
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lib.consumer.running import Consumer
from lib.consumer.status import status_of
from lib.errors import QueryError


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


def show_while(condition: Callable[[], bool], consumer: Consumer) -> None:
    """Update the table and the status line while `condition()` is true; without a terminal, print a line a batch."""
    console, printed, ranked = Console(), None, Text()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while condition():
            if console.is_terminal:
                status = status_of(consumer)
                line = str(status)
                if batch := status.batch:
                    state = f" · state {batch.state_rows:,} rows" if batch.state_rows else ""
                    line += f"{state} · watermark {batch.watermark}"
                with suppress(QueryError):  # the last table stays, and the status says why
                    ranked = table(consumer.store.ranking(consumer.top), consumer.store.totals())
                shown = (ranked, Text(line), *map(Text, status.alarms), Text(status.advice))
                live.update(Group(*shown), refresh=True)
            elif (batch := consumer.progress.last) is not printed:
                printed = batch
                line = (
                    f"batch {batch.number}: {batch.per_second:,.0f} tweets/s, {batch.seconds:.2f} s, "
                    f"watermark {batch.watermark}"
                )
                console.print(" · ".join((line, *status_of(consumer).alarms)), highlight=False, soft_wrap=True)
            time.sleep(0.5 if console.is_terminal else 0.1)
