"""The trend query's durations: in Spark's words, in milliseconds, and out of range."""

import pytest

from lib.errors import SettingError
from lib.query import TrendQuery, milliseconds


@pytest.mark.parametrize(
    "text, length",
    [
        ("250 milliseconds", 250),
        ("1 second", 1000),
        ("1 minute 30 seconds", 90_000),
        ("2 hours", 7_200_000),
        ("1 day", 86_400_000),
    ],
)
def test_the_length_of_a_duration(text, length):
    assert milliseconds("window", text) == length


@pytest.mark.parametrize("text", ["", "banana", "5", "5 weeks", "1 second banana", "-1 seconds", "0 seconds"])
def test_what_is_not_a_duration(text):
    with pytest.raises(SettingError) as refused:
        milliseconds("trigger", text)
    assert refused.value.data == {"option": "trigger", "value": text}


def test_a_query_knows_its_words_and_its_milliseconds():
    query = TrendQuery("1 minute", "5 seconds", "1 minute 30 seconds")
    assert (query.window_ms, query.slide_ms, query.watermark_ms) == (60_000, 5_000, 90_000)
    assert TrendQuery("5 seconds", "5 seconds", "10001 milliseconds").slide_ms == 5000


@pytest.mark.parametrize(
    "changed",
    [
        {"slide": "31 seconds"},
        {"window": "0 seconds"},
        {"window": "1500 milliseconds"},
        {"slide": "500 milliseconds"},
        {"watermark": "10 seconds"},
        {"watermark": "never"},
    ],
)
def test_a_query_that_cannot_be_counted_is_refused(changed):
    with pytest.raises(SettingError) as refused:
        TrendQuery(**({"window": "30 seconds", "slide": "5 seconds", "watermark": "30 seconds"} | changed))
    ((option, value),) = changed.items()
    assert refused.value.data == {"option": option, "value": value}
