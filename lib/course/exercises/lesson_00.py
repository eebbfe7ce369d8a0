"""Exercise of lesson 00: a question to the store, in SQL."""

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from lib.consumer.store import Store
from lib.course.exercises import exercise


@exercise
def reasons(sql: str, store: Store) -> str | None:
    """Whether the SQL gives (reason, messages) of the table dead_letters, the most frequent reason first."""
    try:
        found = pd.read_sql(sql, store.engine)
    except SQLAlchemyError as error:
        return f"the database does not understand it: {getattr(error, 'orig', error)}"
    if list(found.columns) != ["reason", "messages"]:
        return f"the columns are {', '.join(found.columns)}; they should be reason and messages (AS gives a name)"
    if found["reason"].duplicated().any():
        return "a reason stands in several rows: GROUP BY makes one of them"
    counts = pd.read_sql("SELECT reason FROM dead_letters", store.engine)["reason"].value_counts()
    if found.set_index("reason")["messages"].to_dict() != counts.to_dict():
        return f"your numbers add up to {found['messages'].sum()}, and there are {counts.sum()} dead letters"
    if not found["messages"].is_monotonic_decreasing:
        return "the numbers are right; now put the most frequent reason first"
    return None
