"""Beside the live table: the same trending topics for a terminal, from another process or from this one."""

import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lib.consumer.progress import Tally
from lib.consumer.running import Consumer
from lib.consumer.status import look


def table(ranking: list[dict], totals: dict[str, int]) -> Table:
    """The ranking (as `lib.trends.ranking` has it, a dict a row) and the totals, for rich to print."""
    received, *rest = [f"{n:,} {name}" for name, n in totals.items()]
    shown = Table(title="Trending topics", caption=f"{received} =\n{' + '.join(rest)}")
    for column, side in {
        "#": "right",
        "hashtag": "left",
        "tweets": "right",
        "share": "right",
        "change": "right",
    }.items():
        shown.add_column(column, justify=side)
    for row in ranking:
        change = "new" if row["is_new"] else f"{row['change']:+d}" if row["change"] else "="
        shown.add_row(str(row["rank"]), "#" + row["hashtag"], str(row["tweets"]), f"{row['share']:.0%}", change)
    return shown


def print_table(tally: Tally) -> None:
    """Print a tally's trending topics as they are now."""
    Console().print(table(tally.ranking().to_dict("records"), tally.totals))


def show_while(go_on: Callable[[], bool], consumer: Consumer) -> None:
    """Keep table and status line up to date until `go_on()` is false; without a terminal, a status line a batch."""
    console = Console()
    tally, shown = consumer.tally, None
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while go_on():
            if console.is_terminal:
                status = look(consumer)
                line = f"{status} · state {status.state_rows:,} rows · watermark {status.watermark[11:19] or '-'}"
                parts = (table(tally.ranking().to_dict("records"), tally.totals), Text(line), Text(status.advice))
                live.update(Group(*parts), refresh=True)
            elif tally.last is not shown:
                shown = tally.last
                console.print(
                    f"batch {shown.number}: {shown.per_second:,.0f} tweets/s, {shown.seconds:.1f} s, "
                    f"state {shown.state_rows:,} rows, watermark {shown.watermark[11:19] or '-'}", highlight=False,
                )  # fmt: skip
            time.sleep(0.5 if console.is_terminal else 0.1)
