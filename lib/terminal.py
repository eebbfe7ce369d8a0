"""Beside the live table: the same trending topics for a terminal, from another process or from this one."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table


def table(ranking: list[dict], totals: dict[str, int]) -> Table:
    """The ranking (as `lib.trends.ranking` has it, a dict a row) and the totals, for rich to print."""
    shown = Table(title="Trending topics", caption="  ".join(f"{name} {n:,}" for name, n in totals.items()))
    for column, side in {"#": "right", "hashtag": "left", "tweets": "right", "change": "right"}.items():
        shown.add_column(column, justify=side)
    for row in ranking:
        change = "new" if row["is_new"] else f"{row['change']:+d}" if row["change"] else "="
        shown.add_row(str(row["rank"]), "#" + row["hashtag"], str(row["tweets"]), change)
    return shown


def print_table(tally) -> None:
    """Print a tally's trending topics as they are now."""
    Console().print(table(tally.ranking().to_dict("records"), tally.totals))


def show_while(go_on: Callable[[], bool], tally) -> None:
    """Keep the terminal's table up to date until `go_on()` is false; without a terminal, print it after each batch."""
    console = Console()
    shown = tally.last
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while go_on():
            if tally.last != shown:
                shown = tally.last
                now = table(tally.ranking().to_dict("records"), tally.totals)
                live.update(now, refresh=True) if console.is_terminal else console.print(now)
            time.sleep(0.2)
