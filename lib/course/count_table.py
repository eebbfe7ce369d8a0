"""Table of counts in a SQLite database, written by upsert, and how long a query takes that writes into it."""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

from pyspark.sql import DataFrame

from lib.course.micro_batches import median, run_into

TABLE = "CREATE TABLE IF NOT EXISTS counts (start, hashtag, tweets, PRIMARY KEY (start, hashtag))"


class CountTable:
    """Rows (start of the window, hashtag, tweets), one for each start and hashtag. Threads may share it."""

    def __init__(self, file: Path) -> None:
        self.database = sqlite3.connect(file, check_same_thread=False)
        self.database.execute(TABLE)

    def write(self, rows: Iterable[tuple[int, str, int]]) -> None:
        """Insert rows, or replace those with the same start and hashtag, in one transaction."""
        with self.database:
            self.database.executemany("INSERT OR REPLACE INTO counts VALUES (?, ?, ?)", rows)

    def clear(self) -> None:
        """Delete all rows."""
        with self.database:
            self.database.execute("DELETE FROM counts")

    def rows(self) -> dict[tuple[int, str], int]:
        """{(start, hashtag): tweets}."""
        return {(start, tag): n for start, tag, n in self.database.execute("SELECT * FROM counts")}

    def measure(self, counts: DataFrame, sink: Callable[[DataFrame, int], None]) -> tuple[float, dict]:
        """Empty the table, and run a query over what is in its topic, with a sink that writes into the table.

        Returns the seconds of a micro-batch, median without the first one, and the rows that are in the table then.
        """
        self.clear()
        return median(run_into(sink, counts)), self.rows()

    def close(self) -> None:
        self.database.close()
