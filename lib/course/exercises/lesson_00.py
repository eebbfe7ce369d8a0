"""Exercises of lesson 00: two questions to the store, one in SQL and one in SQL or pandas."""

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from lib.consumer.store import Store
from lib.course.exercises import exercise

LEADERS = ["window_start", "hashtag", "tweets"]


@exercise
def reasons(sql: str, store: Store) -> str | None:
    """Whether the SQL gives (reason, messages) of the table dead_letters, the most frequent reason first."""
    if not isinstance(sql, str):
        return "the answer is a string: put your SQL between quotation marks"
    try:
        found = pd.read_sql(sql, store.engine)
    except SQLAlchemyError as error:
        return f"the database does not understand it: {getattr(error, 'orig', error)}"
    if list(found.columns) != ["reason", "messages"]:
        return f"the columns are {', '.join(found.columns)}; they should be reason and messages (AS gives a name)"
    if found["reason"].duplicated().any():
        return "the same reason stands in several rows: GROUP BY reason gives one row for each"
    counts = pd.read_sql("SELECT reason FROM dead_letters", store.engine)["reason"].value_counts()
    if len(found) == 1 < len(counts):
        return f"there is one row, and there are {len(counts)} reasons: GROUP BY reason gives one row for each"
    if found.set_index("reason")["messages"].to_dict() != counts.to_dict():
        return f"your numbers add up to {found['messages'].sum()}, and there are {counts.sum()} dead letters"
    if not found["messages"].is_monotonic_decreasing:
        return "the numbers are right; now put the most frequent reason first"
    return None


@exercise
def leaders(answer: pd.DataFrame, store: Store) -> str | None:
    """Whether it has a row (window_start, hashtag, tweets) for each window: a hashtag that no other one exceeds."""
    if isinstance(answer, str):
        return "this is the text of a query: pd.read_sql executes it and returns a DataFrame"
    if not isinstance(answer, pd.DataFrame):
        return f"the answer is a DataFrame, and this is a {type(answer).__name__}"
    found = answer.reset_index() if "window_start" in answer.index.names else answer
    if missing := [name for name in LEADERS if name not in found.columns]:
        return f"there is no column {' and no column '.join(missing)}; there are {', '.join(map(str, found.columns))}"
    found = found.assign(window_start=pd.to_datetime(found["window_start"]))
    windows = store.windows()
    most = windows.groupby("window_start")["tweets"].max()
    if strange := sorted(set(found["window_start"]) - set(most.index)):
        return f"there is no window that starts at {strange[0]}"
    if absent := sorted(set(most.index) - set(found["window_start"])):
        return f"there are {len(most)} windows; the one that starts at {absent[0]:%H:%M:%S} is not in your answer"
    counted = windows.set_index(["window_start", "hashtag"])["tweets"]
    for start, hashtag, tweets in found[LEADERS].itertuples(index=False):
        if (start, hashtag) not in counted.index or counted[start, hashtag] != tweets:
            return f"in the window that starts at {start:%H:%M:%S}, #{hashtag} did not have {tweets} tweets"
        if tweets < most[start]:
            return f"in the window that starts at {start:%H:%M:%S}, another hashtag had more tweets than #{hashtag}"
    if found["window_start"].duplicated().any():
        return "some windows have several rows: keep one row for each (if two hashtags are equal, either is right)"
    return None
