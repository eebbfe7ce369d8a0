"""Failure of a streaming query: Spark's exception as a QueryError of a few lines, with its remedy."""

import re

from pyspark.sql.streaming import StreamingQuery

from lib.errors import QueryError

REMEDIES = {  # part of Spark's message: what to do about it
    "No space left on device": "the disk is full: free some space; started again, the query continues where it was",
    "database or disk is full": "the disk is full: free some space; started again, the query continues where it was",
    "data may have been": "messages expired, or the topic was recreated, while it ran; "
    "reset: python -m lib.reset --keep-topic",
    "SslAuthenticationException": "set STREAM_SSL_CA_FILE to the certificate of the broker's authority",
    "SaslAuthenticationException": "check STREAM_SASL_USER and STREAM_SASL_PASSWORD",
    "AuthorizationException": "ask whoever runs the broker: python -m lib.topics allow TOPIC --user USER",
    "UnknownTopicOrPartition": "the topic was deleted while it ran; reset: python -m lib.reset",
}


def failure(query: StreamingQuery, log: str) -> QueryError | None:
    """Why the query failed; None if it runs, or was stopped. `log` is where more can be read."""
    error = str(query.exception() or "")
    if not error:
        return None
    for words, remedy in REMEDIES.items():
        if words in error:
            return QueryError(f"the streaming query failed: {first_line_with(words, error)}", remedy, cause=words)
    return QueryError(
        f"the streaming query failed: {cause(error)}",
        f"see {log}; started again, it continues where it was",
        cause=cause(error),
    )


def cause(text: str) -> str:
    """The first line of Spark's message; if Python code in a batch raised an error, that error's."""
    introduction = re.compile(r"\s|$|Traceback|.*Python Proxy|.*An error occurred while calling")
    lines = [line.removeprefix(": ") for line in text.splitlines() if not introduction.match(line)]
    return first_line_with("", "\n".join(lines) or text)


def first_line_with(words: str, text: str) -> str:
    """The first line that contains the words, cut to 300 characters."""
    return next(line.strip() for line in text.splitlines() if words in line and line.strip())[:300]
